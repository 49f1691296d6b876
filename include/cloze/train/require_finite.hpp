// The guard against a loss that is no number.
#pragma once

#include <cmath>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

/// Call between the forward pass and backward(): throws [cloze.train.1] where the loss is NaN or infinite, before it
/// can reach the weights.
inline void require_finite(double loss, Index step) {
  require(std::isfinite(loss), "cloze.train.1",
          "the loss of step {} is {}: a smaller learning rate, clipping or cleaner data may help", step, loss);
}

}  // namespace cloze
