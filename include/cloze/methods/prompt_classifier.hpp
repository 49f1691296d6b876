// PromptClassifier: a masked language model, a template and a verbalizer that together answer a task.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/autograd/losses.hpp>
#include <cloze/models/concepts.hpp>
#include <cloze/prompt/collate.hpp>
#include <cloze/prompt/word_verbalizer.hpp>
#include <cloze/text/tokenizer.hpp>
#include <cloze/train/evaluate.hpp>

namespace cloze {

/// The answer to one text.
struct Prediction {
  LabelId label{};
  std::vector<double> probabilities;  // [labels]
};

/// Examples through a Template to a PackedBatch, to word scores at the mask, to label scores: every piece a public one,
/// and any of them your own. Copies share the model's parameters. Demonstrations, where there are any, are drawn for
/// each example.
template <MaskedLM Model, Verbalizer<typename Model::value_type, typename Model::device> V = WordVerbalizer,
          DemoSampler Demos = NoDemos, TokenizerLike Text = Tokenizer>
class PromptClassifier {
 public:
  using value_type = typename Model::value_type;
  using device = typename Model::device;

  PromptClassifier(Model model, Text tokenizer, Template prompt, V verbalizer, Demos demos = {},
                   RenderOptions options = {})
      : model_(std::move(model)),
        tokenizer_(std::move(tokenizer)),
        prompt_(std::move(prompt)),
        verbalizer_(std::move(verbalizer)),
        demos_(std::move(demos)),
        options_(options) {}

  /// The scores of every label, before softmax.   ->  [examples, labels]
  /// `demo_rng` draws the demonstrations. Errors: those of collate, of the model and of the verbalizer.
  Tensor<value_type, device> scores(std::span<const Example> examples, const ForwardContext& context,
                                    Rng& demo_rng) const {
    return scores(batch(examples, demo_rng), context);
  }

  /// Each example as one sequence, with its demonstrations: what scores() hands to the model. Errors: those of collate.
  PackedBatch batch(std::span<const Example> examples, Rng& demo_rng) const {
    return collate(examples, prompt_, demos_, verbalizer_, tokenizer_, demo_rng, options_);
  }

  /// The scores of prompts that are rendered already.   ->  [sequences, labels]
  /// Throws [cloze.method.2] where a sequence has not one mask.
  Tensor<value_type, device> scores(const PackedBatch& packed, const ForwardContext& context) const {
    return verbalizer_(word_scores(packed, context));
  }

  /// What the verbalizer is given: the scores of its words at the masks.   ->  [sequences, words]   Errors: as scores.
  Tensor<value_type, device> word_scores(const PackedBatch& packed, const ForwardContext& context) const {
    require(static_cast<Index>(packed.mask_rows.size()) == packed.sequences(), "cloze.method.2",
            "template \"{}\" has {} masks for {} examples: one mask an example can be scored by words", prompt_.text(),
            packed.mask_rows.size(), packed.sequences());
    return model_.mask_scores(packed, verbalizer_.words(), context);
  }

  /// Mean cross entropy of labelled examples: what training minimises. Throws [cloze.method.1] where a label is
  /// missing.
  Tensor<value_type, device> loss(std::span<const Example> examples, const ForwardContext& context,
                                  Rng& demo_rng) const {
    const PackedBatch packed = batch(examples, demo_rng);
    require(packed.labels.size() == examples.size(), "cloze.method.1", "{}: training needs a label for every example",
            examples.empty() ? "an empty batch" : describe(examples.front()));
    return cross_entropy(scores(packed, context), std::span<const LabelId>(packed.labels));
  }

  /// Answers one text, or a pair.
  Prediction predict(std::string_view text_a, std::optional<std::string_view> text_b = std::nullopt) const {
    const NoGrad no_grad;
    Example example{.text_a = std::string(text_a)};
    if (text_b) example.text_b = std::string(*text_b);
    Rng demo_rng(0, "demos");
    const auto values = scores({&example, 1}, {}, demo_rng).to_vector();
    Prediction answer;
    const double highest = static_cast<double>(*std::ranges::max_element(values));
    double sum = 0;
    for (const auto score : values)
      sum += answer.probabilities.emplace_back(std::exp(static_cast<double>(score) - highest));
    for (double& probability : answer.probabilities) probability /= sum;
    answer.label = static_cast<LabelId>(std::ranges::max_element(answer.probabilities) - answer.probabilities.begin());
    return answer;
  }

  ParameterList<value_type, device> parameters() const { return model_.parameters(); }

  const Model& model() const { return model_; }
  const Text& tokenizer() const { return tokenizer_; }
  const Template& prompt() const { return prompt_; }
  const V& verbalizer() const { return verbalizer_; }
  const Demos& demos() const { return demos_; }
  const RenderOptions& options() const { return options_; }

 private:
  Model model_;
  Text tokenizer_;
  Template prompt_;
  V verbalizer_;
  Demos demos_;
  RenderOptions options_;
};

}  // namespace cloze
