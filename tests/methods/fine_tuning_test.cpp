#include <cloze/methods/fine_tuning.hpp>

#include <csignal>
#include <limits>

#include <cloze/methods/prompt_classifier.hpp>
#include <cloze/methods/standard_classifier.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;
using cloze::test::tiny_examples;

namespace {

struct Tiny {
  test::TemporaryFolder folder;
  Tiny() { test::write_tiny_task_model(folder.path()); }

  Tokenizer tokenizer() const { return Tokenizer::from_pretrained(folder.path()); }
  auto prompted() const {
    return PromptClassifier(BertForMaskedLM<float>::from_pretrained(folder.path()), tokenizer(),
                            Template("{text_a} it was {mask}."),
                            WordVerbalizer(tokenizer(), {{"no", {"terrible"}}, {"yes", {"great"}}}));
  }
  auto standard() const {
    return StandardClassifier(
        BertForSequenceClassification<float>::from_pretrained(folder.path(), {.num_labels = 2, .new_head_seed = 3}),
        tokenizer(), false);
  }
};

template <class Classifier>
std::vector<float> weights(const Classifier& classifier) {
  std::vector<float> all;
  for (const auto& parameter : classifier.parameters()) {
    const auto values = parameter.tensor.to_vector();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

constexpr bool quiet = false;

}  // namespace

TEST_CASE("prompt-based and standard fine-tuning learn a task that one word decides") {
  const Tiny tiny;
  const auto train = tiny_examples(24), dev = tiny_examples(12, 100), unseen = tiny_examples(20, 200);
  const FineTuningOptions options{
      .steps = 60, .batch_size = 6, .lr = 1e-2, .evaluate_every = 20, .show_progress = quiet};
  SECTION("prompt") {
    const auto classifier = tiny.prompted();
    const double before = accuracy(predict(classifier, unseen).predictions, labels_of(unseen));
    const auto report = fine_tune(classifier, train, dev, options);
    CHECK(report.steps == 60);
    CHECK(report.best.value() > 0.9);
    CHECK(before < 0.9);
    CHECK(accuracy(predict(classifier, unseen).predictions, labels_of(unseen)) > 0.9);
  }
  SECTION("standard") {
    const auto classifier = tiny.standard();
    fine_tune(classifier, train, dev, options);
    CHECK(accuracy(predict(classifier, unseen).predictions, labels_of(unseen)) > 0.9);
  }
}

TEST_CASE("the loss of a prompt classifier is the cross entropy of its label words at the mask") {
  const Tiny tiny;
  const auto classifier = tiny.prompted();
  const auto examples = tiny_examples(3);
  Rng rng(1);
  const auto& tokenizer = classifier.tokenizer();
  double wanted = 0;
  for (const Example& example : examples) {  // one example at a time, through the full vocabulary
    PackedBatch batch;
    Prompt prompt{.ids = {*tokenizer.special().cls}};
    for (const char* part : {example.text_a.c_str(), "it was"})
      for (const TokenId id : tokenizer.encode(part)) prompt.ids.push_back(id);
    prompt.masks = {static_cast<Index>(prompt.ids.size())};
    prompt.ids.push_back(*tokenizer.special().mask);
    prompt.ids.push_back(*tokenizer.find("."));
    prompt.ids.push_back(*tokenizer.special().sep);
    batch.append(prompt);
    const auto logits = classifier.model().mask_logits(batch).to_vector();
    const double no = logits[static_cast<std::size_t>(value(*tokenizer.find("terrible")))];
    const double yes = logits[static_cast<std::size_t>(value(*tokenizer.find("great")))];
    wanted += std::log(std::exp(no) + std::exp(yes)) - (value(*example.label) == 1 ? yes : no);
  }
  CHECK(classifier.loss(examples, {}, rng).item() == Approx(wanted / 3).epsilon(1e-5));
}

TEST_CASE("fine_tune ends with the earliest of the best dev steps") {
  const Tiny tiny;
  const auto train = tiny_examples(12), dev = tiny_examples(8, 50);
  const auto run = [&](Index steps) {
    const auto classifier = tiny.prompted();
    const auto report =
        fine_tune(classifier, train, dev, {.steps = steps, .lr = 5e-3, .evaluate_every = 5, .show_progress = quiet});
    const double found = accuracy(predict(classifier, dev, {.seed = 42}).predictions, labels_of(dev));
    CHECK(found == report.best.value());  // the weights that were kept are those that scored
    CHECK(report.best_step % 5 == 0);
    CHECK(report.best_step > 0);
  };
  run(10);
  run(40);
}

TEST_CASE("the same seed gives the same bits, another seed others") {
  const Tiny tiny;
  const auto train = tiny_examples(12), dev = tiny_examples(8, 50);
  const auto run = [&](std::uint64_t seed) {
    const auto classifier = tiny.prompted();
    fine_tune(classifier, train, dev, {.steps = 8, .lr = 1e-3, .seed = seed, .show_progress = quiet});
    return weights(classifier);
  };
  const auto first = run(5);
  CHECK(first == run(5));
  CHECK(first != run(6));
}

TEST_CASE("an interrupted run goes on from its checkpoint to the same bits") {
  const Tiny tiny;
  const auto train = tiny_examples(14), dev = tiny_examples(8, 50);
  FineTuningOptions options{.steps = 20, .batch_size = 4, .lr = 3e-3, .evaluate_every = 6, .show_progress = quiet};
  const auto straight = tiny.prompted();
  const auto wanted = fine_tune(straight, train, dev, options);

  for (const Index stop : {Index{0}, Index{7}, Index{18}}) {
    options.checkpoint = tiny.folder.path() / "run.safetensors";
    options.on_step = [&](Index step, double) {
      if (step == stop) std::raise(SIGINT);
    };
    const auto broken = fine_tune(tiny.prompted(), train, dev, options);
    CHECK(broken.interrupted);
    CHECK(broken.steps == stop + 1);
    REQUIRE(std::filesystem::exists(options.checkpoint));
    options.on_step = {};
    const auto resumed = tiny.prompted();
    const auto report = fine_tune(resumed, train, dev, options);
    CHECK(report.best == wanted.best);
    CHECK(report.best_step == wanted.best_step);
    CHECK(weights(resumed) == weights(straight));
    CHECK_FALSE(std::filesystem::exists(options.checkpoint));
  }
}

TEST_CASE("gradients accumulate to those of the larger batch") {
  const Tiny tiny;
  const auto examples = tiny_examples(6);
  Rng rng(1);
  const auto whole = tiny.prompted(), parts = tiny.prompted();
  whole.loss(examples, {}, rng).backward();
  for (std::size_t i = 0; i < 6; i += 2)
    scale(parts.loss(std::span<const Example>(examples).subspan(i, 2), {}, rng), 1.0f / 3).backward();
  const auto wanted = whole.parameters(), found = parts.parameters();
  for (std::size_t p = 0; p < wanted.size(); ++p) {
    REQUIRE(wanted[p].tensor.has_grad() == found[p].tensor.has_grad());
    if (!wanted[p].tensor.has_grad()) continue;
    const auto a = wanted[p].tensor.grad().to_vector(), b = found[p].tensor.grad().to_vector();
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(b[i] == Approx(a[i]).epsilon(1e-4).margin(1e-6));
  }
}

TEST_CASE("fine_tune with accumulated batches goes the way of the larger batch") {
  const Tiny tiny;
  const auto train = tiny_examples(12);
  const auto losses = [&](Index batch, Index accumulate) {
    auto model = BertForMaskedLM<float>::from_pretrained(tiny.folder.path(), {.dropout = DropoutRates{}});
    const PromptClassifier classifier(std::move(model), tiny.tokenizer(), Template("{text_a} it was {mask}."),
                                      WordVerbalizer(tiny.tokenizer(), {{"no", {"terrible"}}, {"yes", {"great"}}}));
    std::vector<double> found;
    FineTuningOptions options{.steps = 8, .batch_size = batch, .accumulate = accumulate, .lr = 1e-3};
    options.show_progress = quiet;
    options.on_step = [&](Index, double loss) { found.push_back(loss); };
    fine_tune(classifier, train, {}, options);
    return found;
  };
  const auto wanted = losses(6, 1), found = losses(2, 3);
  REQUIRE(found.size() == 8);
  for (std::size_t i = 0; i < 8; ++i) CHECK(found[i] == Approx(wanted[i]).epsilon(1e-3));
}

TEST_CASE("early steps and recomputation give the same bits") {
  const Tiny tiny;
  const auto train = tiny_examples(12), dev = tiny_examples(8, 50);
  const auto run = [&](bool early, bool recompute) {
    const auto classifier = tiny.prompted();
    fine_tune(classifier, train, dev,
              {.steps = 8,
               .lr = 1e-3,
               .weight_decay = 0.1,
               .clip_norm = std::numeric_limits<double>::infinity(),
               .step_early = early,
               .recompute = recompute,
               .show_progress = quiet});
    return weights(classifier);
  };
  const auto plain = run(false, false);
  CHECK(run(true, false) == plain);
  CHECK(run(true, true) == plain);
}

TEST_CASE("predict(text) gives probabilities that agree with the scores of a batch") {
  const Tiny tiny;
  const auto classifier = tiny.prompted();
  const auto examples = tiny_examples(5);
  const auto batch = predict(classifier, examples);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto answer = classifier.predict(examples[i].text_a);
    CHECK(answer.label == batch.predictions[i]);
    const auto row = batch.row(static_cast<Index>(i));
    CHECK(answer.probabilities[0] == Approx(1 / (1 + std::exp(row[1] - row[0]))).epsilon(1e-4));
    CHECK(answer.probabilities[0] + answer.probabilities[1] == Approx(1.0));
  }
}

TEST_CASE("bad input to the recipes is named") {
  const Tiny tiny;
  auto examples = tiny_examples(4);
  const auto classifier = tiny.prompted();
  REQUIRE_ERROR(fine_tune(classifier, examples, examples, {.evaluate_every = 0}), "cloze.method.4");
  REQUIRE_ERROR(fine_tune(classifier, examples, examples, {.step_early = true}), "cloze.method.4");
  const double none = std::numeric_limits<double>::infinity();
  REQUIRE_ERROR(fine_tune(classifier, examples, examples, {.accumulate = 2, .clip_norm = none, .step_early = true}),
                "cloze.method.4");
  REQUIRE_ERROR(fine_tune(classifier, std::vector<Example>{}, examples, {.show_progress = quiet}), "cloze.sampler.1");
  for (auto& example : examples) example.label.reset();
  REQUIRE_ERROR(fine_tune(classifier, examples, examples, {.steps = 1, .show_progress = quiet}), "cloze.method.1");
  REQUIRE_ERROR(fine_tune(tiny.standard(), examples, examples, {.steps = 1, .show_progress = quiet}), "cloze.method.1");
  REQUIRE_ERROR(labels_of(examples), "cloze.method.1");
  const std::vector<LabelId> labels{LabelId{0}, LabelId{1}};
  REQUIRE_ERROR(score(Metric::pearson, labels, labels), "cloze.method.3");
  const PromptClassifier two(BertForMaskedLM<float>::from_pretrained(tiny.folder.path()), tiny.tokenizer(),
                             Template("{mask} {text_a} {mask}"), classifier.verbalizer());
  REQUIRE_ERROR(two.predict("rain"), "cloze.method.2");
  auto broken = tiny.prompted();
  for (auto& parameter : broken.parameters())
    if (parameter.name.find("bias") != std::string::npos) parameter.tensor.data()[0] = std::nanf("");
  REQUIRE_ERROR(fine_tune(broken, tiny_examples(4), {}, {.steps = 1, .show_progress = quiet}), "cloze.train.1");
}
