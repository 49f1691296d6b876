#include <cloze/methods/regression.hpp>

#include <cmath>

#include <cloze/methods/fine_tuning.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

namespace {

// The tiny task with a score in [0, 5]: 4 with "sun" and 1 with "rain", a little more or less by place.
std::vector<Example> scored(int count, int first = 0) {
  auto examples = test::tiny_examples(count, first);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto n = static_cast<int>(i) + first;
    examples[i].score = (value(*examples[i].label) == 1 ? 4.0f : 1.0f) + 0.1f * static_cast<float>(n % 5);
    examples[i].label.reset();
  }
  return examples;
}

struct Tiny {
  test::TemporaryFolder folder;
  Tiny() { test::write_tiny_task_model(folder.path()); }

  Tokenizer tokenizer() const { return Tokenizer::from_pretrained(folder.path()); }
  template <DemoSampler Demos = NoDemos>
  auto prompted(PoleLoss loss = PoleLoss::divergence, Demos demos = {}) const {
    return PromptRegressor(
        BertForMaskedLM<float>::from_pretrained(folder.path()), tokenizer(), Template("{text_a} it was {mask}."),
        RegressionVerbalizer(tokenizer(), "terrible", "great", {0, 5}), std::move(demos), RenderOptions{}, loss);
  }
  auto standard(Index labels = 1) const {
    return StandardRegressor(BertForSequenceClassification<float>::from_pretrained(
                                 folder.path(), {.num_labels = labels, .new_head_seed = 3}),
                             tokenizer(), false);
  }
};

FineTuningOptions options() {
  return {.steps = 60,
          .batch_size = 6,
          .lr = 1e-2,
          .evaluate_every = 20,
          .metric = Metric::pearson,
          .show_progress = false};
}

std::vector<double> wanted(const std::vector<Example>& examples) {
  const auto targets = targets_of(examples);
  return {targets.begin(), targets.end()};
}

}  // namespace

TEST_CASE("fine_tune learns a score with a prompt and with a head, and keeps the step of the best correlation") {
  const Tiny tiny;
  const auto train = scored(24), dev = scored(12, 100), unseen = scored(20, 200);
  const auto check = [&](const auto& regressor) {
    const auto report = fine_tune(regressor, train, dev, options());
    CHECK(report.best.value() > 0.9);
    CHECK(score(Metric::pearson, predict(regressor, dev, {.seed = 42}), dev) == report.best.value());
    const auto found = predict(regressor, unseen);
    CHECK(found.labels == 1);
    CHECK(score(Metric::spearman, found, unseen) > 0.6);
  };
  check(tiny.prompted());
  check(tiny.standard());
}

TEST_CASE("the right loss reaches the ends of the scale, and the compat loss stays in its middle") {
  const Tiny tiny;
  auto train = scored(24);
  for (Example& example : train) example.score = *example.score > 3 ? 5.0f : 0.0f;
  auto settings = options();
  settings.steps = 240;
  const auto right = tiny.prompted(), quirk = tiny.prompted(PoleLoss::lmbff_compat);
  fine_tune(right, train, {}, settings);
  fine_tune(quirk, train, {}, settings);
  const auto near = predict(right, train), squeezed = predict(quirk, train);
  CHECK(mean_squared_error(near.scores, wanted(train)) < 0.3 * mean_squared_error(squeezed.scores, wanted(train)));
  for (const double value : squeezed.scores) {
    CHECK(value > 5 / (1 + std::exp(1)) - 0.4);  // 1.34, the least the loss asks for
    CHECK(value < 5 / (1 + std::exp(-1)) + 0.4);
  }
  CHECK(score(Metric::pearson, squeezed, train) > 0.9);  // the order survives
}

TEST_CASE("predict(text) is the prediction of a batch, within the bounds") {
  const Tiny tiny;
  const auto regressor = tiny.prompted();
  const auto examples = scored(5);
  const auto batch = predict(regressor, examples);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const double found = regressor.predict(examples[i].text_a);
    CHECK(found == Approx(batch.scores[i]).epsilon(1e-5));
    CHECK((found >= 0 && found <= 5));
  }
}

TEST_CASE("a regressor shows demonstrations of both poles") {
  const Tiny tiny;
  const auto train = scored(8);
  const auto regressor = tiny.prompted(PoleLoss::divergence, RandomDemos(train, {.score_threshold = 2.5f}));
  Rng rng(1);
  const auto packed = regressor.batch(std::span(train).first(1), rng);
  const auto shown = [&](const char* word) {
    return std::ranges::count(packed.ids, *regressor.tokenizer().find(word));
  };
  CHECK(shown("terrible") == 1);
  CHECK(shown("great") == 1);
}

TEST_CASE("bad input to a regression is named") {
  const Tiny tiny;
  auto examples = scored(4);
  Rng rng(1);
  const auto regressor = tiny.prompted();
  examples[2].score = 5.5f;
  REQUIRE_ERROR(regressor.loss(examples, {}, rng), "cloze.regression.3");
  examples[2].score.reset();
  REQUIRE_ERROR(regressor.loss(examples, {}, rng), "cloze.method.7");
  REQUIRE_ERROR(tiny.standard().loss(examples, {}, rng), "cloze.method.7");
  REQUIRE_ERROR(targets_of(examples), "cloze.method.7");
  examples = scored(4);
  REQUIRE_ERROR(tiny.standard(2).scores(examples, {}, rng), "cloze.method.8");
  auto wrong = options();
  wrong.steps = 1;
  wrong.metric = Metric::accuracy;
  REQUIRE_ERROR(fine_tune(regressor, examples, examples, wrong), "cloze.method.1");
  const Evaluation classes{.predictions = std::vector<LabelId>(4), .scores = std::vector<double>(8), .labels = 2};
  REQUIRE_ERROR(score(Metric::pearson, classes, examples), "cloze.method.3");
}
