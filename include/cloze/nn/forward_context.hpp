// How a forward pass is meant: evaluation, or training with dropout drawn from one generator in a fixed order.
#pragma once

#include <cloze/core/dropout.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/rng.hpp>

namespace cloze {

/// Dropout probabilities of a model, each in [0, 1).
struct DropoutRates {
  double hidden = 0;      // after the embeddings, the attention's projection and the feed-forward
  double attention = 0;   // on attention probabilities
  double classifier = 0;  // in a classification head

  friend bool operator==(const DropoutRates&, const DropoutRates&) = default;
};

/// Default: evaluation, no dropout. `{.training = true, .rng = &rng}`: every dropout layer draws one key from `rng`, in
/// the order in which data pass through the layers; a rate of 0 draws none.
struct ForwardContext {
  bool training = false;
  Rng* rng = nullptr;
  bool recompute = false;  // layers keep their input alone and are computed again in the backward pass: less memory, a
                           // third more time, the same bits

  /// The dropout of one operation. Throws [cloze.nn.1] where one is wanted and there is no generator, or the
  /// probability is outside [0, 1).
  Dropout dropout(double probability) const {
    require(probability >= 0 && probability < 1, "cloze.nn.1", "dropout {}: wanted a probability in [0, 1)",
            probability);
    if (!training || probability == 0) return {};
    require(
        rng != nullptr, "cloze.nn.1",
        "a training forward pass with dropout {} needs ForwardContext::rng: give it a generator, or set the rates to 0",
        probability);
    return {probability, rng->next_u64()};
  }
};

}  // namespace cloze
