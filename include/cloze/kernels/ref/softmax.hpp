// Softmax, log softmax and logsumexp on Reference.
#pragma once

#include <cmath>
#include <limits>

#include <cloze/core/device.hpp>
#include <cloze/kernels/ref/put.hpp>
#include <cloze/kernels/softmax_args.hpp>

namespace cloze::kernels {

namespace ref {

/// log Σ exp(x), without overflow: the largest is taken out first. -inf where every x is; NaN stays NaN.
template <class T>
T logsumexp(const T* x, Index size) {
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  T largest = lowest;
  for (Index c = 0; c < size; ++c)
    if (x[c] > largest || x[c] != x[c]) largest = x[c];  // takes a NaN and keeps it: nothing is larger
  if (largest == lowest) return lowest;
  T sum{0};
  for (Index c = 0; c < size; ++c) sum += std::exp(x[c] - largest);
  return largest + std::log(sum);
}

}  // namespace ref

template <class T>
void softmax_forward(Reference, const SoftmaxArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r) {
    const T *x = p.x + r * p.columns, total = ref::logsumexp(x, p.columns);
    const bool dead = total == -std::numeric_limits<T>::infinity();
    for (Index c = 0; c < p.columns; ++c) {
      const T log_probability = dead ? total : x[c] - total;
      p.y[r * p.columns + c] = p.log ? log_probability : std::exp(log_probability);
    }
  }
}

template <class T>
void softmax_backward(Reference, const SoftmaxBackwardArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r) {
    const T *y = p.y + r * p.columns, *dy = p.dy + r * p.columns;
    T sum{0};
    bool dead = true;
    for (Index c = 0; c < p.columns; ++c) {
      sum += p.log ? dy[c] : dy[c] * y[c];
      dead = dead && y[c] == (p.log ? -std::numeric_limits<T>::infinity() : T(0));
    }
    for (Index c = 0; c < p.columns; ++c) {
      const T dx = p.log ? dy[c] - std::exp(y[c]) * sum : y[c] * (dy[c] - sum);
      put(p.dx, r * p.columns + c, dead ? T(0) : dx);
    }
  }
}

template <class T>
void logsumexp_forward(Reference, const LogSumExpArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r) p.y[r] = ref::logsumexp(p.x + r * p.columns, p.columns);
}

template <class T>
void logsumexp_backward(Reference, const LogSumExpBackwardArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r)
    for (Index c = 0; c < p.columns; ++c) {
      const bool dead = p.y[r] == -std::numeric_limits<T>::infinity();
      const Index i = r * p.columns + c;
      put(p.dx, i, dead ? T(0) : p.dy[r] * std::exp(p.x[i] - p.y[r]));
    }
}

}  // namespace cloze::kernels
