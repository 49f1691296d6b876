#include <cloze/methods/pretraining_data.hpp>

#include <set>

#include <cloze/data/list_stream.hpp>
#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

namespace {

std::vector<TokenId> ids(std::initializer_list<int> plain) {
  std::vector<TokenId> all;
  for (const int id : plain) all.push_back(TokenId{id});
  return all;
}

constexpr TokenId cls{2}, sep{3};

auto packed(std::vector<std::vector<TokenId>> lines, Index length, double single_lines = 0) {
  return PackedStream(ListStream(std::move(lines), 1), {.max_length = length, .cls = cls, .sep = sep}, single_lines);
}

struct Words {
  Words() {
    test::write_tiny_task_model(folder.path());
    tokenizer.emplace(Tokenizer::from_pretrained(folder.path()));
    tokens = PretrainingTokens::of(*tokenizer, test::tiny_vocab);
  }
  MaskedLm masking() const {
    return MaskedLm({.mask = tokens.mask, .vocab_size = 29, .special = tokens.special, .count = MaskCount::exact});
  }
  test::TemporaryFolder folder;
  std::optional<Tokenizer> tokenizer;
  PretrainingTokens tokens;
};

std::string text_of(const Tokenizer& tokenizer, const LmExample& example) {
  return tokenizer.decode(example.prompt.ids);
}

}  // namespace

TEST_CASE("lines are packed into sequences, documents apart, and no token is lost") {
  auto stream = packed({ids({10, 11}), ids({12, 13, 14}), {}, ids({15}), ids({16, 17, 18, 19, 20, 21, 22, 23, 24})}, 7);
  std::vector<std::vector<TokenId>> found;
  while (const auto example = stream.next()) found.push_back(example->prompt.ids);
  CHECK(found == std::vector<std::vector<TokenId>>{ids({2, 10, 11, 12, 13, 14, 3}), ids({2, 15, 3}),
                                                   ids({2, 16, 17, 18, 19, 20, 3}), ids({2, 21, 22, 23, 24, 3})});
  CHECK(!stream.next());
}

TEST_CASE("a share of the lines are sequences of their own, the others are packed, and no token is lost") {
  std::vector<std::vector<TokenId>> lines;
  for (int line = 0; line < 2000; ++line) lines.push_back(ids({5 + line % 50, 5 + line / 50, 60}));
  lines.push_back(ids({70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82}));  // longer than a sequence
  for (const double share : {0.0, 0.3, 1.0}) {
    PackedStream stream(ListStream(lines, 1), {.max_length = 11, .cls = cls, .sep = sep}, share);
    Index tokens = 0, single = 0, whole = 0;
    std::set<TokenId> ends;
    while (const auto example = stream.next()) {
      const auto& found = example->prompt.ids;
      REQUIRE((found.size() <= 11 && found.front() == cls && found.back() == sep));
      tokens += static_cast<Index>(found.size()) - 2;
      single += found.size() == 5;
      whole += found.size() == 11;
      ends.insert(found[found.size() - 2]);
    }
    INFO("share " << share << ": " << single << " single, " << whole << " whole");
    CHECK(tokens == 2000 * 3 + 13);
    CHECK(ends.contains(TokenId{82}));
    CHECK(std::abs(static_cast<double>(single) - share * 2000) < 100);
    CHECK(std::abs(static_cast<double>(whole) - (1 - share) * 2000 / 3) < 50);
  }
  REQUIRE_ERROR(PackedStream(ListStream(lines, 1), {.max_length = 11, .cls = cls, .sep = sep}, 1.5),
                "cloze.pretraining.5");
}

TEST_CASE("a packed stream goes on from any place, also between the sequences of one long line") {
  std::vector<std::vector<TokenId>> lines;
  Rng rng(5);
  for (int line = 0; line < 30; ++line) {
    std::vector<TokenId> one;
    for (std::uint64_t i = rng.below(40); i > 0; --i)
      one.push_back(TokenId{static_cast<std::int32_t>(5 + rng.below(20))});
    lines.push_back(one);
  }
  const double single_lines = GENERATE(0.0, 0.4);
  std::vector<std::vector<TokenId>> all;
  for (auto stream = packed(lines, 9, single_lines); const auto example = stream.next();)
    all.push_back(example->prompt.ids);
  REQUIRE(all.size() > 60);
  for (std::size_t used = 0; used <= all.size(); ++used) {
    auto first = packed(lines, 9, single_lines), second = packed(lines, 9, single_lines);
    for (std::size_t i = 0; i < used; ++i) first.next();
    second.restore(nlohmann::json::parse(first.state().dump()));
    for (std::size_t i = used; i < all.size(); ++i) REQUIRE(second.next()->prompt.ids == all[i]);
    REQUIRE(!second.next());
  }
  auto stream = packed(lines, 5), longer = packed(lines, 20);
  while (longer.state()["pending"].size() < 4) longer.next();
  REQUIRE_ERROR(stream.restore(longer.state()), "cloze.packing.1");
  REQUIRE_ERROR(stream.restore(nlohmann::json::object()), "cloze.json.2");
}

TEST_CASE("training never meets a held-out line, and scoring meets nothing else") {
  const Words words;
  // Each line is one of a kind: two numbers in words.
  const std::vector<std::string> digits{"sun", "rain", "warm", "cold", "day", "night", "the", "a", "sea", "hill"};
  std::string text;
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) {
    lines.push_back("it " + digits[i / 100] + " " + digits[i / 10 % 10] + " " + digits[i % 10] + " .");
    text += lines.back() + "\n";
  }
  const Corpus corpus{.name = "n", .files = {words.folder.write("n.txt", text)}, .held_out = {.every = 5, .block = 4}};
  const PretrainingDataOptions options{.sequence = 7};  // one line in each sequence
  std::set<std::string> trained, scored;
  auto stream = packed_examples(corpus, *words.tokenizer, words.tokens, options);
  for (int i = 0; i < 3000; ++i) trained.insert(text_of(*words.tokenizer, *stream.next()));
  const HeldOut held =
      read_held_out(corpus, *words.tokenizer, words.tokens, words.masking(), 1000000, options, Rng(1), 100);
  for (const PackedBatch& batch : held.batches) {
    CHECK(batch.tokens() <= 100);
    std::vector<TokenId> whole(batch.ids.begin(), batch.ids.end());
    for (std::size_t i = 0; i < batch.mask_rows.size(); ++i) whole[batch.mask_rows[i]] = batch.targets[i];
    for (Index s = 0; s < batch.sequences(); ++s)
      scored.insert(words.tokenizer->decode(
          std::span<const TokenId>(whole).subspan(batch.cu_seqlens[s], static_cast<std::size_t>(batch.length(s)))));
  }
  CHECK(trained.size() + scored.size() == 1000);
  CHECK(scored.size() > 120);
  CHECK(scored.size() < 280);
  for (const auto& line : scored) CHECK(!trained.contains(line));

  const HeldOut again =
      read_held_out(corpus, *words.tokenizer, words.tokens, words.masking(), 1000000, options, Rng(1), 100);
  REQUIRE(again.batches.size() == held.batches.size());
  CHECK(again.batches[3].ids == held.batches[3].ids);
  const HeldOut few = read_held_out(corpus, *words.tokenizer, words.tokens, words.masking(), 70, options, Rng(1), 100);
  CHECK(few.tokens == 70);
  Corpus other = corpus;
  other.held_out_files = {words.folder.write("h.txt", "sun rain\n")};
  const HeldOut file = read_held_out(other, *words.tokenizer, words.tokens, words.masking(), 70, options, Rng(1));
  CHECK(file.tokens == 4);
  auto everything = packed_examples(other, *words.tokenizer, words.tokens, options);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(text_of(*words.tokenizer, *everything.next()));
  CHECK(seen.size() == 1000);
  other.held_out_files.clear();
  other.held_out.every = 0;
  CHECK(read_held_out(other, *words.tokenizer, words.tokens, words.masking(), 70, options, Rng(1)).batches.empty());
}

TEST_CASE("corpora are mixed by weight, sequence for sequence, and the mixture goes on from any place") {
  const Words words;
  const auto sun = words.folder.write("sun.txt", "sun sun sun\n\n"),
             rain = words.folder.write("rain.txt", "rain rain\n\n");
  const auto make = [&] {
    std::vector<ExampleStream> streams;
    for (const auto& file : {sun, rain})
      streams.push_back(packed_examples({.name = "c", .files = {file}, .held_out = {.every = 0}}, *words.tokenizer,
                                        words.tokens, {.sequence = 8}));
    return mixed_examples(std::move(streams), {3, 1}, 50, Rng(6));
  };
  auto stream = make();
  int suns = 0;
  for (int i = 0; i < 4000; ++i) suns += text_of(*words.tokenizer, *stream.next()).find("sun") == 0;
  CHECK(std::abs(suns - 3000) < 5 * 28);  // binomial: deviation 27.4
  auto other = make();
  other.restore(nlohmann::json::parse(stream.state().dump()));
  for (int i = 0; i < 200; ++i) REQUIRE(other.next()->prompt.ids == stream.next()->prompt.ids);
}
