// MaskedLM: what prompt-based fine-tuning asks of a model. A class of your own that satisfies it works everywhere.
#pragma once

#include <concepts>
#include <span>

#include <cloze/batch/packed_batch.hpp>
#include <cloze/nn/forward_context.hpp>
#include <cloze/nn/parameter.hpp>
#include <cloze/tensor/tensor.hpp>

namespace cloze {

/// mask_scores: [masks, words]; mask_logits: [masks, vocab]; parameters: what an optimizer trains.
template <class M>
concept MaskedLM = requires(const M& model, const PackedBatch& batch, std::span<const TokenId> words,
                            const ForwardContext& context) {
  requires Scalar<typename M::value_type>;
  requires Device<typename M::device>;
  { model.mask_scores(batch, words, context) } -> std::same_as<Tensor<typename M::value_type, typename M::device>>;
  { model.mask_logits(batch, context) } -> std::same_as<Tensor<typename M::value_type, typename M::device>>;
  { model.parameters() } -> std::same_as<ParameterList<typename M::value_type, typename M::device>>;
};

/// logits: [sequences, labels].
template <class M>
concept SequenceClassifier = requires(const M& model, const PackedBatch& batch, const ForwardContext& context) {
  requires Scalar<typename M::value_type>;
  requires Device<typename M::device>;
  { model.logits(batch, context) } -> std::same_as<Tensor<typename M::value_type, typename M::device>>;
  { model.parameters() } -> std::same_as<ParameterList<typename M::value_type, typename M::device>>;
};

}  // namespace cloze
