// PromptRegressor and StandardRegressor: what predicts a number, with a prompt or with a head on the first token.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/methods/prompt_classifier.hpp>
#include <cloze/methods/score.hpp>
#include <cloze/methods/standard_classifier.hpp>
#include <cloze/prompt/regression_verbalizer.hpp>

namespace cloze {

/// A masked language model that tells a number by two words: a PromptClassifier whose scores are the predictions, in
/// the task's units. fine_tune, predict and DemoSamplers take it as they take a classifier; demonstrations are split by
/// RandomDemosOptions::score_threshold.
template <MaskedLM Model, DemoSampler Demos = NoDemos, TokenizerLike Text = Tokenizer>
class PromptRegressor {
 public:
  using value_type = typename Model::value_type;
  using device = typename Model::device;
  using Values = Tensor<value_type, device>;

  PromptRegressor(Model model, Text tokenizer, Template prompt, RegressionVerbalizer verbalizer, Demos demos = {},
                  RenderOptions options = {}, PoleLoss loss = PoleLoss::divergence)
      : prompted_(std::move(model), std::move(tokenizer), std::move(prompt), std::move(verbalizer), std::move(demos),
                  options),
        loss_(loss) {}

  /// Predictions.   ->  [examples, 1]   Errors: PromptClassifier's.
  Values scores(std::span<const Example> examples, const ForwardContext& context, Rng& demo_rng) const {
    return prompted_.scores(examples, context, demo_rng);
  }
  Values scores(const PackedBatch& packed, const ForwardContext& context) const {
    return prompted_.scores(packed, context);
  }
  PackedBatch batch(std::span<const Example> examples, Rng& demo_rng) const {
    return prompted_.batch(examples, demo_rng);
  }

  /// What training minimises. Throws [cloze.method.7] where an example has no score, [cloze.regression.3] where one is
  /// outside the bounds; PromptClassifier's.
  Values loss(std::span<const Example> examples, const ForwardContext& context, Rng& demo_rng) const {
    const auto targets = targets_of(examples);
    const Bounds bounds = verbalizer().bounds();
    for (const Example& example : examples)
      require(*example.score >= bounds.lower && *example.score <= bounds.upper, "cloze.regression.3",
              "{}: its score is {}, outside the bounds {} to {}", describe(example), *example.score, bounds.lower,
              bounds.upper);
    return verbalizer().loss(prompted_.word_scores(batch(examples, demo_rng), context), targets, loss_);
  }

  /// The number of one text, or of a pair.
  double predict(std::string_view text_a, std::optional<std::string_view> text_b = std::nullopt) const {
    const NoGrad no_grad;
    Example example{.text_a = std::string(text_a)};
    if (text_b) example.text_b = std::string(*text_b);
    Rng demo_rng(0, "demos");
    return static_cast<double>(scores({&example, 1}, {}, demo_rng).to_vector().front());
  }

  ParameterList<value_type, device> parameters() const { return prompted_.parameters(); }
  const Model& model() const { return prompted_.model(); }
  const Text& tokenizer() const { return prompted_.tokenizer(); }
  const Template& prompt() const { return prompted_.prompt(); }
  const RegressionVerbalizer& verbalizer() const { return prompted_.verbalizer(); }
  const RenderOptions& options() const { return prompted_.options(); }

 private:
  PromptClassifier<Model, RegressionVerbalizer, Demos, Text> prompted_;
  PoleLoss loss_;
};

/// Standard fine-tuning to a number: a head of one output on the first token, whose mean squared error to the score, in
/// the task's units, is minimised; as LM-BFF and Hugging Face do it.
template <SequenceClassifier Model, TokenizerLike Text = Tokenizer>
class StandardRegressor {
 public:
  using value_type = typename Model::value_type;
  using device = typename Model::device;
  using Values = Tensor<value_type, device>;

  /// As StandardClassifier, with a model of one label: from_pretrained(folder, {.num_labels = 1, .new_head_seed = …}).
  StandardRegressor(Model model, Text tokenizer, bool pair, RenderOptions options = {})
      : plain_(std::move(model), std::move(tokenizer), pair, options) {}

  /// Predictions.   ->  [examples, 1]   Errors: StandardClassifier's, [cloze.method.8] a head of several outputs.
  Values scores(std::span<const Example> examples, const ForwardContext& context, Rng& rng) const {
    return scores(batch(examples, rng), context);
  }
  Values scores(const PackedBatch& packed, const ForwardContext& context) const {
    auto values = plain_.scores(packed, context);
    require(values.rank() == 2 && values.columns() == 1, "cloze.method.8",
            "the model's head gives {}: a regression wants [{}, 1], a head of one label", values.shape().text(),
            packed.sequences());
    return values;
  }
  PackedBatch batch(std::span<const Example> examples, Rng& rng) const { return plain_.batch(examples, rng); }

  /// Mean squared error. Throws [cloze.method.7] where an example has no score.
  Values loss(std::span<const Example> examples, const ForwardContext& context, Rng& rng) const {
    const auto targets = targets_of(examples);
    const auto found = scores(examples, context, rng);
    return mse(found, Values::from(std::vector<value_type>(targets.begin(), targets.end()), found.shape()));
  }

  ParameterList<value_type, device> parameters() const { return plain_.parameters(); }
  const Model& model() const { return plain_.model(); }

 private:
  StandardClassifier<Model, Text> plain_;
};

}  // namespace cloze
