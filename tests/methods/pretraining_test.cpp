#include <cloze/methods/pretraining.hpp>

#include <csignal>
#include <thread>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cloze/batch/objectives/next_sentence.hpp>
#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

namespace {

// A tiny model, its tokenizer and two corpora in a folder of their own.
struct Workshop {
  Workshop() {
    test::write_tiny_task_model(folder.path() / "model");
    const std::vector<std::string> words{"it",  "was", ".",   "great", "sun",  "rain", "warm", "cold", "day",
                                         "the", "a",   "sea", "hill",  "town", "road", "in",   "on",   "very"};
    Rng rng(3);
    for (const char* name : {"a", "b"}) {
      std::string text;
      for (int line = 0; line < 400; ++line) {
        const auto length = 3 + rng.below(20);
        for (std::uint64_t i = 0; i < length; ++i) text += words[rng.below(words.size())] + " ";
        text += line % 9 == 8 ? "\n\n" : "\n";
      }
      corpora.push_back({.name = name,
                         .files = {folder.write(std::string(name) + ".txt", text)},
                         .held_out = {.every = 8, .block = 4}});
    }
    corpora[1].weight = 2;
    options.folder = folder.path() / "run";
    options.steps = 60;
    options.tokens_per_step = 60;
    options.tokens_per_pass = 40;
    options.optimizer.lr = 1e-2;
    options.warmup = 5;
    options.checkpoint_minutes = options.evaluate_minutes = 1e6;
    options.log_every = 5;
    options.keep = 2;
    options.show_progress = false;
    options.say = [](std::string_view) {};
    data.sequence = 16;
    data.shuffle = 32;
    data.prefetch = {.chunk = 8, .chunks = 2, .threads = 1};
    identity.facts["corpora"] = "a and b";
  }

  AutoModelForMaskedLM<float> model() const {
    return AutoModelForMaskedLM<float>::from_pretrained(folder.path() / "model");
  }
  Tokenizer tokenizer() const { return Tokenizer::from_pretrained(folder.path() / "model"); }

  template <class M>
  PretrainingReport train(const M& trained) const {
    const auto words = tokenizer();
    const auto tokens = PretrainingTokens::of(words, trained.config().vocab_size);
    const MaskedLm masking(
        {.mask = tokens.mask, .vocab_size = words.vocab_size(), .special = tokens.special, .count = MaskCount::exact});
    std::vector<HeldOut> held;
    for (const Corpus& corpus : corpora)
      held.push_back(read_held_out(corpus, words, tokens, masking, 300, data, Rng(1)));
    const auto make = [&] {
      std::vector<ExampleStream> streams;
      std::vector<double> weights;
      for (const Corpus& corpus : corpora) {
        streams.push_back(packed_examples(corpus, words, tokens, data));
        weights.push_back(corpus.weight);
      }
      return mixed_examples(std::move(streams), std::move(weights), data.shuffle, Rng(2));
    };
    return pretrain(trained, make, masking, held, identity, options);
  }

  test::TemporaryFolder folder;
  std::vector<Corpus> corpora;
  PretrainingOptions options;
  PretrainingDataOptions data;
  RunIdentity identity;
};

template <class M>
std::vector<float> weights(const M& model) {
  std::vector<float> all;
  for (const auto& parameter : model.parameters()) {
    const auto part = parameter.tensor.to_vector();
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace

TEST_CASE("pretraining lowers the loss, logs its course and saves the model") {
  Workshop shop;
  shop.options.steps = 150;
  shop.options.optimizer.lr = 2e-2;
  const auto model = shop.model();
  shop.options.save_model = [&](const std::filesystem::path& folder) { model.save_pretrained(folder); };
  const auto report = shop.train(model);
  CHECK(report.finished);
  CHECK(report.steps == 150);
  CHECK(report.tokens >= 150 * 60);
  CHECK(report.tokens < 150 * 76);
  REQUIRE(report.held_out.size() == 2);
  const NumberTable held = read_tsv_log(shop.options.folder / "heldout.tsv");
  CHECK(held["step"] == std::vector<double>{0, 150});
  for (const char* name : {"a", "b"}) {
    CHECK(held[name][0] > 3.2);                  // ln 29 is 3.37
    CHECK(held[name][1] < held[name][0] - 0.2);  // 18 words of one frequency: ln 18 is 2.89
  }
  const NumberTable log = read_tsv_log(shop.options.folder / "log.tsv");
  CHECK(log["step"].size() == 30);
  CHECK(log["lr"].back() < 2e-4);
  const auto saved = AutoModelForMaskedLM<float>::from_pretrained(shop.options.folder / "model");
  CHECK(weights(saved) == weights(model));
  CHECK(CheckpointFolder(shop.options.folder).files().size() == 1);
  const auto again = shop.train(shop.model());  // there is nothing left to do
  CHECK(again.steps == 150);
  CHECK(again.finished);
}

TEST_CASE("a run that is stopped and continued ends with the same bits") {
  Workshop whole;
  const auto expected = whole.model();
  whole.train(expected);
  for (const Index stop : {1, 7, 59}) {
    Workshop parts;
    parts.options.stop_at = stop;
    CHECK(!parts.train(parts.model()).finished);
    parts.options.stop_at = 0;
    const auto model = parts.model();
    CHECK(parts.train(model).finished);
    CHECK(weights(model) == weights(expected));
    CHECK(read_tsv_log(parts.options.folder / "log.tsv")["loss"].size() == 12);
  }
}

TEST_CASE("Ctrl-C ends a sitting after its step, the report says so, and the next sitting goes on") {
  Workshop shop;
  shop.options.evaluate_minutes = 0;  // each step is followed by a line
  shop.options.say = [lines = 0](std::string_view) mutable {
    if (++lines == 3) std::raise(SIGINT);
  };
  const auto report = shop.train(shop.model());
  CHECK(report.interrupted);
  CHECK(!report.finished);
  CHECK(report.steps > 0);
  CHECK(report.steps < 5);
  shop.options.say = [](std::string_view) {};
  const auto rest = shop.train(shop.model());
  CHECK(rest.finished);
  CHECK(!rest.interrupted);
}

TEST_CASE("killed at random moments, a run still ends with the same bits") {
  set_num_threads(1);  // a forked child has no threads but its own
  Workshop shop;
  shop.options.steps = 240;
  const auto expected = shop.model();
  shop.train(expected);
  std::filesystem::remove_all(shop.options.folder);
  shop.options.checkpoint_minutes = 0;  // after every step
  Rng rng(11);
  int killed = 0;
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        shop.train(shop.model());
        ::_exit(0);
      } catch (...) {
        ::_exit(1);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500 + rng.below(60000)));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
    killed += WIFSIGNALED(status);
  }
  const auto model = shop.model();
  CHECK(shop.train(model).steps == 240);
  CHECK(killed > 2);  // how many steps lie between them depends on the machine
  CHECK(weights(model) == weights(expected));
  CHECK(read_tsv_log(shop.options.folder / "log.tsv")["step"].back() == 240);
}

TEST_CASE("a step whose loss is no number is left out, and a run of nothing else ends") {
  Workshop shop;
  const auto model = shop.model();
  auto parameters = model.parameters();
  shop.options.steps = 40;
  shop.options.guard.stop_after = 4;
  shop.options.optimizer.lr = 0;
  parameters[0].tensor.data()[5 * test::tiny_hidden] = std::nanf("");  // the word "it": most steps meet it
  const auto before = weights(model);
  std::vector<std::string> said;
  shop.options.say = [&](std::string_view line) { said.emplace_back(line); };
  REQUIRE_ERROR(shop.train(model), "cloze.loss_guard.2");
  CHECK(std::ranges::count_if(said, [](const auto& line) { return line.find("not a finite number") != line.npos; }) >=
        3);
  const auto after = weights(model);
  for (std::size_t i = 0; i < before.size(); ++i) REQUIRE((before[i] == after[i] || std::isnan(before[i])));
}

TEST_CASE("a run of another model, other corpora or other settings is refused by name") {
  Workshop shop;
  shop.options.stop_at = 2;
  shop.train(shop.model());
  shop.identity.facts["corpora"] = "a and c";
  REQUIRE_ERROR(shop.train(shop.model()), "cloze.checkpoint.4");
  shop.identity.facts["corpora"] = "a and b";
  auto config = test::tiny_bert().config;
  config["intermediate_size"] = 24;
  REQUIRE_ERROR(shop.train(AutoModelForMaskedLM<float>::from_config(encoder_config(config, "x"), Rng(1))),
                "cloze.checkpoint.4");
  shop.folder.write("b.txt", "another text now\n");
  const auto model = shop.model();
  const auto before = weights(model);
  REQUIRE_ERROR(shop.train(model), "cloze.stream.5");
  CHECK(weights(model) == before);
}

TEST_CASE("bad corpora and vocabularies are errors that name what is wrong") {
  Workshop shop;
  const auto with = [&](std::string_view text) {
    shop.corpora[0].files = {shop.folder.write("bad.txt", text)};
    std::filesystem::remove_all(shop.options.folder);
  };
  with("");
  REQUIRE_ERROR(shop.train(shop.model()), "cloze.stream.6");
  with("\n \n\n");
  REQUIRE_ERROR(shop.train(shop.model()), "cloze.stream.6");
  with("it was\nthe \xFF sea\n");
  REQUIRE_ERROR(shop.train(shop.model()), "cloze.data.1");
  shop.data.lines.invalid_utf8 = InvalidUtf8::replace;
  shop.options.stop_at = 1;
  CHECK(shop.train(shop.model()).steps == 1);
  with(std::string(std::size_t{2} << 20, 'x') + "\n");  // beyond the limit of a line, as 100 MB are
  REQUIRE_ERROR(shop.train(shop.model()), "cloze.stream.7");
  with("zzz zzz\nqqq qqq\n");  // no word that the vocabulary knows
  shop.corpora[1] = shop.corpora[0];
  shop.corpora[1].name = "c";
  REQUIRE_ERROR(shop.train(shop.model()), "cloze.pretraining.4");
  shop.corpora[0].files = {shop.folder.path() / "none"};
  REQUIRE_ERROR(shop.train(shop.model()), "cloze.file.1");

  SpecialTokens without;
  without.cls = TokenId{1};
  without.sep = TokenId{2};
  struct Words {
    SpecialTokens roles;
    std::vector<TokenId> encode(std::string_view) const { return {}; }
    std::string decode(std::span<const TokenId>) const { return ""; }
    Index vocab_size() const { return 9; }
    const SpecialTokens& special() const { return roles; }
    std::optional<TokenId> find(std::string_view) const { return {}; }
    std::string_view token(TokenId) const { return ""; }
    std::string_view word_prefix() const { return ""; }
  } words{without};
  REQUIRE_ERROR(PretrainingTokens::of(words, 9), "cloze.pretraining.1");
  words.roles.mask = TokenId{3};
  REQUIRE_ERROR(PretrainingTokens::of(words, 8), "cloze.pretraining.2");
  CHECK(PretrainingTokens::of(words, 9).special.size() == 3);
}

TEST_CASE("settings out of range are errors") {
  Workshop shop;
  shop.options.tokens_per_step = 0;
  REQUIRE_ERROR(shop.train(shop.model()), "cloze.pretraining.5");
}

TEST_CASE("a full disk ends the run and leaves the last good checkpoint") {
  Workshop shop;
  const auto expected = shop.model();
  shop.train(expected);
  std::filesystem::remove_all(shop.options.folder);
  shop.options.stop_at = 3;
  shop.train(shop.model());
  shop.options.stop_at = 0;
  {
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small{20000, before.rlim_max};
    auto* handler = std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &small);
    std::string id = "none";
    try {
      shop.train(shop.model());
    } catch (const Error& error) {
      id = error.id();
    }
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    CHECK(id == "cloze.file.3");
  }
  CHECK(CheckpointFolder(shop.options.folder).files().size() == 1);
  const auto model = shop.model();
  shop.train(model);
  CHECK(weights(model) == weights(expected));
}

TEST_CASE("the loss of a step does not depend on how many passes it takes") {
  Workshop shop;
  const auto tokenizer = shop.tokenizer();
  const auto config = encoder_config(test::tiny_bert().config, "x");
  const auto model = BertForMaskedLM<double>::from_config(config, Rng(1), {.dropout = DropoutRates{}});
  const auto tokens = PretrainingTokens::of(tokenizer, config.vocab_size);
  const MaskedLm masking({.mask = tokens.mask, .vocab_size = 29, .special = tokens.special, .rate = 0.3});
  auto stream = packed_examples(shop.corpora[0], tokenizer, tokens, shop.data);
  Rng rng(4);
  const auto examples = cloze::detail::draw_examples(stream, masking, rng, 400);
  auto parameters = model.parameters();
  const auto gradients = [&](Index tokens_per_pass) {
    parameters.zero_grad();
    const double loss = cloze::detail::accumulate_gradients(model, examples, tokens_per_pass, rng);
    std::vector<double> all{loss};
    for (const auto& parameter : parameters)
      for (const double x : parameter.tensor.grad().to_vector()) all.push_back(x);
    return all;
  };
  const auto once = gradients(100000);
  for (const Index passes : {1, 17, 100}) {
    const auto several = gradients(passes);
    REQUIRE(several.size() == once.size());
    for (std::size_t i = 0; i < once.size(); ++i) REQUIRE(several[i] == Approx(once[i]).margin(1e-12));
  }
}

TEST_CASE("pairs with labels need a model with a next-sentence head") {
  const auto config = encoder_config(test::tiny_bert().config, "x");
  auto batch = test::tiny_batch({7, 9}, 2);
  batch.targets.assign(batch.mask_rows.size(), TokenId{4});
  const auto both = BertForPreTraining<double>::from_config(config, Rng(1));
  CHECK(!pretraining_loss(both, batch).pair.defined());
  batch.labels = {follows, does_not_follow};
  const auto loss = pretraining_loss(both, batch);
  const auto output = both.forward(batch);
  CHECK(loss.pair.item() == cross_entropy(output.next_sentence_logits, std::span<const LabelId>(batch.labels)).item());
  REQUIRE_ERROR(pretraining_loss(BertForMaskedLM<double>::from_config(config, Rng(1)), batch), "cloze.pretraining.3");
}
