// Cross entropy of rows of logits against class indices or distributions, fused with its log softmax.
#pragma once

#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// What the forward pass leaves for the backward pass of one row: log p(c) = (x[c] - largest) - log_sum.
/// `largest` is -inf where every logit is; `mass` is the sum of the smoothed targets.
template <class T>
struct CrossEntropyRow {
  T largest, log_sum, mass;
};

/// losses[r] = -Σ_c t(r, c) log p(r, c), with the targets t of one of two kinds, smoothed: (1 - smoothing) t +
/// smoothing / columns. A target of zero contributes zero, even where its probability is zero. A row whose label is
/// `ignored` has loss zero. A row of logits that are all -inf has loss +inf and gradient zero.
template <class T>
struct CrossEntropyArgs {
  Index rows, columns;
  const T* logits;      // [rows, columns]
  const Index* labels;  // [rows] in [0, columns) or `ignored`; null where there are targets
  const T* targets;     // [rows, columns]; null where there are labels
  Index ignored;
  Compute<T> smoothing;
  T* losses;                          // [rows]
  CrossEntropyRow<Compute<T>>* kept;  // [rows]
};

/// dlogits = g (mass p - t) with g = scale · dy[r · step]: one pass, no temporary. dtargets = -g (1 - smoothing) log p.
template <class T>
struct CrossEntropyBackwardArgs {
  Index rows, columns;
  const T* logits;
  const Index* labels;
  const T* targets;
  Index ignored;
  Compute<T> smoothing;
  const CrossEntropyRow<Compute<T>>* kept;
  const T* dy;
  Index step;
  Compute<T> scale;
  GradTarget<T> dlogits, dtargets;  // [rows, columns]
};

}  // namespace cloze::kernels
