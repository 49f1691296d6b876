// StandardClassifier: fine-tuning without a prompt, a classification head on the first token. The baseline of the
// field.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include <cloze/autograd/losses.hpp>
#include <cloze/models/concepts.hpp>
#include <cloze/prompt/collate.hpp>
#include <cloze/text/tokenizer.hpp>

namespace cloze {

/// [CLS] text [SEP], or [CLS] text [SEP] second text [SEP], into a model with a classification head.
template <SequenceClassifier Model, TokenizerLike Text = Tokenizer>
class StandardClassifier {
 public:
  using value_type = typename Model::value_type;
  using device = typename Model::device;

  /// `pair`: examples have two texts. `options.segments` marks the second one where the model has segments (BERT).
  StandardClassifier(Model model, Text tokenizer, bool pair, RenderOptions options = {})
      : model_(std::move(model)), tokenizer_(std::move(tokenizer)), input_(Template::plain(pair)), options_(options) {}

  /// ->  [examples, labels]. The generator is not used: nothing is drawn. Errors: render's and the model's.
  Tensor<value_type, device> scores(std::span<const Example> examples, const ForwardContext& context, Rng& rng) const {
    return scores(batch(examples, rng), context);
  }

  /// Each example as one sequence. Errors: render's.
  PackedBatch batch(std::span<const Example> examples, Rng&) const {
    PackedBatch packed;
    for (const Example& example : examples) packed.append(render(input_, example, {}, tokenizer_, {}, options_));
    return packed;
  }

  /// The scores of inputs that are rendered already.   ->  [sequences, labels]
  Tensor<value_type, device> scores(const PackedBatch& packed, const ForwardContext& context) const {
    return model_.logits(packed, context);
  }

  /// Mean cross entropy. Throws [cloze.method.1] where a label is missing.
  Tensor<value_type, device> loss(std::span<const Example> examples, const ForwardContext& context, Rng& rng) const {
    std::vector<LabelId> labels;
    for (const Example& example : examples) {
      require(example.label.has_value(), "cloze.method.1", "{}: training needs a label for every example",
              describe(example));
      labels.push_back(*example.label);
    }
    return cross_entropy(scores(examples, context, rng), std::span<const LabelId>(labels));
  }

  ParameterList<value_type, device> parameters() const { return model_.parameters(); }
  const Model& model() const { return model_; }

 private:
  Model model_;
  Text tokenizer_;
  Template input_;
  RenderOptions options_;
};

}  // namespace cloze
