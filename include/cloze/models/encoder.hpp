// TransformerEncoder: embeddings and post-norm layers of BERT, RoBERTa and DistilBERT, on packed batches.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <cloze/autograd/embedding.hpp>
#include <cloze/batch/packed_batch.hpp>
#include <cloze/models/config.hpp>
#include <cloze/nn/embedding.hpp>
#include <cloze/nn/encoder_layer.hpp>

namespace cloze {

/// Copies share parameters, as copies of a tensor do.
template <Scalar T, Device D = Cpu>
class TransformerEncoder {
 public:
  /// Parameters unset: to be loaded.
  explicit TransformerEncoder(const EncoderConfig& config);

  /// The last layer's output.   ->  [tokens, hidden]
  /// Throws [cloze.encoder.1] where the batch's arrays do not fit together, [cloze.encoder.2] a token id outside the
  /// vocabulary, [cloze.encoder.3] a position outside the position table, [cloze.encoder.4] a segment the model has
  /// not.
  Tensor<T, D> forward(const PackedBatch& batch, const ForwardContext& context = {}) const;

  /// Some rows of forward(), ascending: the last layer computes nothing else but keys and values.   ->  [rows, hidden]
  /// The same numbers as the whole, dropout included. Throws forward's, and [cloze.nn.2] where rows are out of order.
  Tensor<T, D> forward_rows(const PackedBatch& batch, std::span<const Index> rows,
                            const ForwardContext& context = {}) const;

  /// The embeddings and every layer's output: layers + 1 tensors [tokens, hidden].
  std::vector<Tensor<T, D>> hidden_states(const PackedBatch& batch, const ForwardContext& context = {}) const;

  const Tensor<T, D>& word_embeddings() const { return words_.weight; }  // [vocab, hidden]

  /// `prefix` stands before every name ("bert.").
  void visit(const std::string& prefix, const EncoderNames& names, const ParameterVisitor<T, D>& f) const;

  DropoutRates dropout;

 private:
  void check(const PackedBatch& batch) const;
  Tensor<T, D> embed(const PackedBatch& batch, const ForwardContext& context) const;  // [tokens, hidden]

  Tensor<T, D> run(const EncoderLayer<T, D>& layer, const Tensor<T, D>& x, const PackedBatch& batch,
                   const ForwardContext& context) const;

  Index vocab_size_, max_positions_, position_offset_, segment_types_;
  Embedding<T, D> words_, positions_, segments_;
  LayerNorm<T, D> embedding_norm_;
  std::vector<EncoderLayer<T, D>> layers_;
};

template <Scalar T, Device D>
TransformerEncoder<T, D>::TransformerEncoder(const EncoderConfig& config)
    : dropout(config.dropout),
      vocab_size_(config.vocab_size),
      max_positions_(config.max_positions),
      position_offset_(config.position_offset),
      segment_types_(config.segment_types),
      words_(config.vocab_size, config.hidden_size),
      positions_(config.max_positions, config.hidden_size),
      embedding_norm_(config.hidden_size, config.layer_norm_eps) {
  if (segment_types_ > 0) segments_ = Embedding<T, D>(segment_types_, config.hidden_size);
  for (Index i = 0; i < config.layers; ++i)
    layers_.emplace_back(EncoderLayerOptions{.hidden = config.hidden_size,
                                             .heads = config.heads,
                                             .intermediate = config.intermediate_size,
                                             .activation = config.activation,
                                             .eps = config.layer_norm_eps,
                                             .projection_dropout = config.architecture->projection_dropout});
}

template <Scalar T, Device D>
void TransformerEncoder<T, D>::check(const PackedBatch& batch) const {
  const auto tokens = batch.ids.size();
  require(batch.segments.size() == tokens && batch.positions.size() == tokens, "cloze.encoder.1",
          "a batch of {} tokens has {} segments and {} positions", tokens, batch.segments.size(),
          batch.positions.size());
  require(!batch.cu_seqlens.empty() && batch.cu_seqlens.front() == 0 && batch.cu_seqlens.back() == batch.tokens() &&
              std::ranges::is_sorted(batch.cu_seqlens),
          "cloze.encoder.1", "the cumulative lengths of a batch must rise from 0 to its {} tokens", tokens);
  const auto sequence_of = [&](std::size_t row) {
    return std::ranges::upper_bound(batch.cu_seqlens, static_cast<Index>(row)) - batch.cu_seqlens.begin() - 1;
  };
  const Index longest = max_positions_ - position_offset_;
  for (std::size_t i = 0; i < tokens; ++i) {
    const Index id = value(batch.ids[i]), position = batch.positions[i], segment = batch.segments[i];
    if (id >= 0 && id < vocab_size_ && position >= 0 && position < longest && segment >= 0 &&
        (segment < segment_types_ || segment == 0))
      continue;  // nothing below is worked out for a sound token
    require(id >= 0 && id < vocab_size_, "cloze.encoder.2",
            "sequence {} of the batch: token id {} is outside the model's vocabulary of {}: another tokenizer's ids?",
            sequence_of(i), id, vocab_size_);
    require(position >= 0 && position < longest, "cloze.encoder.3",
            "sequence {} of the batch has {} tokens (position {}), the model takes at most {}: truncate the texts",
            sequence_of(i), batch.length(sequence_of(i)), position, longest);
    require(segment >= 0 && (segment < segment_types_ || segment == 0), "cloze.encoder.4",
            "sequence {} of the batch: segment {}, but the model has {} (0 to {})", sequence_of(i), segment,
            segment_types_ > 1 ? "segments" : "no segments", std::max<Index>(0, segment_types_ - 1));
  }
}

template <Scalar T, Device D>
Tensor<T, D> TransformerEncoder<T, D>::embed(const PackedBatch& batch, const ForwardContext& context) const {
  check(batch);
  const List<Index> segment_ids(batch.segments.begin(), batch.segments.end());
  List<Index> position_ids(batch.positions.begin(), batch.positions.end());
  for (Index& position : position_ids) position += position_offset_;
  List<Index> word_ids(batch.ids.size());
  for (std::size_t i = 0; i < word_ids.size(); ++i) word_ids[i] = value(batch.ids[i]);
  return embedding_norm<T, D>(
      {words_.weight, word_ids}, {segments_.weight, segment_ids}, {positions_.weight, position_ids},
      embedding_norm_.weight, embedding_norm_.bias,
      {.eps = static_cast<Compute<T>>(embedding_norm_.eps), .dropout = context.dropout(dropout.hidden)});
}

template <Scalar T, Device D>
Tensor<T, D> TransformerEncoder<T, D>::run(const EncoderLayer<T, D>& layer, const Tensor<T, D>& x,
                                           const PackedBatch& batch, const ForwardContext& context) const {
  const auto drawn = layer.draw_dropout(context, dropout);
  // The last layer's backward pass comes first: computing it again would save nothing.
  const bool last = &layer == &layers_.back();
  return context.recompute && !last ? layer.recomputed(x, batch.cu_seqlens, drawn) : layer(x, batch.cu_seqlens, drawn);
}

template <Scalar T, Device D>
Tensor<T, D> TransformerEncoder<T, D>::forward(const PackedBatch& batch, const ForwardContext& context) const {
  auto x = embed(batch, context);
  for (const auto& layer : layers_) x = run(layer, x, batch, context);
  return x;
}

template <Scalar T, Device D>
Tensor<T, D> TransformerEncoder<T, D>::forward_rows(const PackedBatch& batch, std::span<const Index> rows,
                                                    const ForwardContext& context) const {
  auto x = embed(batch, context);
  const RowSelection selection(rows, batch.cu_seqlens);
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) x = run(layers_[i], x, batch, context);
  return layers_.back()(x, selection, batch.cu_seqlens, layers_.back().draw_dropout(context, dropout));
}

template <Scalar T, Device D>
std::vector<Tensor<T, D>> TransformerEncoder<T, D>::hidden_states(const PackedBatch& batch,
                                                                  const ForwardContext& context) const {
  std::vector<Tensor<T, D>> states{embed(batch, context)};
  for (const auto& layer : layers_)
    states.push_back(layer(states.back(), batch.cu_seqlens, layer.draw_dropout(context, dropout)));
  return states;
}

template <Scalar T, Device D>
void TransformerEncoder<T, D>::visit(const std::string& prefix, const EncoderNames& names,
                                     const ParameterVisitor<T, D>& f) const {
  words_.visit(prefix + names.words, f);
  positions_.visit(prefix + names.positions, f);
  if (segment_types_ > 0) segments_.visit(prefix + names.segments, f);
  embedding_norm_.visit(prefix + names.embedding_norm, f);
  for (std::size_t i = 0; i < layers_.size(); ++i)
    layers_[i].visit(prefix + names.layers + std::to_string(i) + ".", names.layer, f);
}

}  // namespace cloze
