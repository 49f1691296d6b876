// Cross entropy on Reference: the definition, class by class.
#pragma once

#include <cmath>
#include <limits>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cross_entropy_args.hpp>
#include <cloze/kernels/ref/put.hpp>

namespace cloze::kernels {

namespace ref {

/// The smoothed target of class c in row r.
template <class Args>
auto smoothed_target(const Args& p, Index r, Index c) {
  using T = decltype(p.smoothing);
  const T target = p.labels ? (p.labels[r] == c ? T(1) : T(0)) : p.targets[r * p.columns + c];
  return (T(1) - p.smoothing) * target + p.smoothing / static_cast<T>(p.columns);
}

}  // namespace ref

template <class T>
void cross_entropy_forward(Reference, const CrossEntropyArgs<T>& p) {
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  for (Index r = 0; r < p.rows; ++r) {
    p.losses[r] = T(0);
    p.kept[r] = {};
    if (p.labels && p.labels[r] == p.ignored) continue;
    const T* x = p.logits + r * p.columns;
    T largest = lowest, sum{0}, mass{0}, loss{0};
    for (Index c = 0; c < p.columns; ++c)
      if (x[c] > largest || x[c] != x[c]) largest = x[c];
    for (Index c = 0; c < p.columns; ++c) sum += largest == lowest ? T(0) : std::exp(x[c] - largest);
    for (Index c = 0; c < p.columns; ++c) {
      const T target = ref::smoothed_target(p, r, c);
      mass += target;
      if (target != T(0)) loss -= target * (largest == lowest ? lowest : x[c] - largest - std::log(sum));
    }
    p.losses[r] = loss;
    p.kept[r] = {largest, std::log(sum), mass};
  }
}

template <class T>
void cross_entropy_backward(Reference, const CrossEntropyBackwardArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r) {
    const auto [largest, log_sum, mass] = p.kept[r];
    const bool none = (p.labels && p.labels[r] == p.ignored) || largest == -std::numeric_limits<T>::infinity();
    const T g = p.scale * p.dy[r * p.step];
    for (Index c = 0; c < p.columns; ++c) {
      const Index i = r * p.columns + c;
      const T log_p = p.logits[i] - largest - log_sum;
      if (p.dlogits.data) put(p.dlogits, i, none ? T(0) : g * (mass * std::exp(log_p) - ref::smoothed_target(p, r, c)));
      if (p.dtargets.data) put(p.dtargets, i, none ? T(0) : -g * (T(1) - p.smoothing) * log_p);
    }
  }
}

}  // namespace cloze::kernels
