// How much arithmetic a pass needs: what is counted as useful, whatever an implementation does besides.
#pragma once

#include <cloze/batch/packed_batch.hpp>
#include <cloze/models/config.hpp>

namespace cloze::bench {

/// Floating-point operations (a multiplication and an addition are two) of the forward pass from tokens to the scores
/// of `words` at the masks. Real tokens only, and in the last layer only what the masks' results depend on:
///   linear layers   2 · rows · in · out: each layer 4 H² + 2 H I for each token; in the last one keys and values
///                   (2 H²) for each token and the rest (2 H² + 2 H I) for each mask
///   attention       4 · H · (queries · keys) for each sequence: scores and their product with the values
///   head            2 · (H² + H · words) for each mask
/// Layer norms, activations, softmax and dropout are left out: they are under one per cent.
inline double forward_flops(const EncoderConfig& config, const PackedBatch& batch, Index words) {
  const double h = static_cast<double>(config.hidden_size), i = static_cast<double>(config.intermediate_size);
  const double layers = static_cast<double>(config.layers), tokens = static_cast<double>(batch.tokens());
  const double masks = static_cast<double>(batch.mask_rows.size());
  double pairs = 0, mask_pairs = 0;
  for (Index s = 0; s < batch.sequences(); ++s) {
    const double length = static_cast<double>(batch.length(s));
    pairs += length * length;
    mask_pairs += length;  // one mask a sequence
  }
  const double whole_layer = 2 * tokens * (4 * h * h + 2 * h * i) + 4 * h * pairs;
  const double last_layer = 2 * tokens * 2 * h * h + 2 * masks * (2 * h * h + 2 * h * i) + 4 * h * mask_pairs;
  return (layers - 1) * whole_layer + last_layer + 2 * masks * (h * h + h * static_cast<double>(words));
}

/// A training step: the backward pass of a product is two products of the same size. What is computed again in the
/// backward pass (the scores of attention) does not count, nor does the optimizer.
inline double step_flops(const EncoderConfig& config, const PackedBatch& batch, Index words) {
  return 3 * forward_flops(config, batch, words);
}

}  // namespace cloze::bench
