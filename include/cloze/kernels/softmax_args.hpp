// Softmax, its logarithm and logsumexp, row by row.
#pragma once

#include <cloze/core/ids.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

// A row in which every number is -inf has no possible outcome: its softmax is all zeros, its log-softmax and logsumexp
// are -inf, and its gradient is zero. NaN and +inf give NaN.

/// y = softmax(x) or, where `log`, log softmax(x).
template <class T>
struct SoftmaxArgs {
  Index rows, columns;
  const T* x;  // [rows, columns]
  bool log;
  T* y;  // [rows, columns]
};

/// softmax: dx = y (dy - Σ dy y); log softmax: dx = dy - exp(y) Σ dy. Written or added.
template <class T>
struct SoftmaxBackwardArgs {
  Index rows, columns;
  const T* y;   // [rows, columns] as the forward pass gave it
  const T* dy;  // [rows, columns]
  bool log;
  GradTarget<T> dx;  // [rows, columns]
};

/// y[r] = log Σ_c exp(x[r, c]).
template <class T>
struct LogSumExpArgs {
  Index rows, columns;
  const T* x;  // [rows, columns]
  T* y;        // [rows]
};

/// dx = dy exp(x - y), written or added.
template <class T>
struct LogSumExpBackwardArgs {
  Index rows, columns;
  const T* x;        // [rows, columns]
  const T* y;        // [rows]
  const T* dy;       // [rows]
  GradTarget<T> dx;  // [rows, columns]
};

}  // namespace cloze::kernels
