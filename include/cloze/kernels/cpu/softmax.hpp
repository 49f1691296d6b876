// Softmax, log softmax and logsumexp on Cpu: rows in parallel, three vectorised passes over each.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/row.hpp>
#include <cloze/kernels/softmax_args.hpp>

namespace cloze::kernels {

namespace cpu {

template <class T>
inline constexpr T lowest = -std::numeric_limits<T>::infinity();

/// What log Σ exp(x) is made of: largest + log(sum), sum = Σ exp(x - largest).
template <class T>
struct ExpSum {
  T largest;
  T sum;
  bool dead() const { return largest == lowest<T> && sum == T(0); }  // every x is -inf
  T log() const { return dead() ? lowest<T> : largest + std::log(sum); }
};

template <class T>
ExpSum<T> exp_sum(const T* x, Index size) {
  using B = xsimd::batch<T>;
  const T largest = max_over(x, size);
  if (largest == lowest<T>) {  // all -inf, unless max_over() lost a NaN
    const bool nan = std::any_of(x, x + size, [](T v) { return v != v; });
    return {lowest<T>, nan ? std::numeric_limits<T>::quiet_NaN() : T(0)};
  }
  const B shift(largest);
  return {largest, sum_over<T>(size, [&](auto load) { return xsimd::exp(load(x) - shift); })};
}

}  // namespace cpu

template <class T>
void softmax_forward(Cpu, const SoftmaxArgs<T>& p) {
  using B = xsimd::batch<T>;
  parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* x = p.x + r * p.columns;
      T* y = p.y + r * p.columns;
      const auto total = cpu::exp_sum(x, p.columns);
      if (total.dead()) {
        std::fill_n(y, p.columns, p.log ? cpu::lowest<T> : T(0));
      } else if (p.log) {
        // x - largest first: it is exact for the largest, so a certain outcome keeps its tiny loss.
        const B largest(total.largest), log_sum(std::log(total.sum));
        for_batches<T>(p.columns, [&](Index, auto load, auto store) { store(y, load(x) - largest - log_sum); });
      } else {
        const B largest(total.largest), factor(T(1) / total.sum);
        for_batches<T>(p.columns,
                       [&](Index, auto load, auto store) { store(y, xsimd::exp(load(x) - largest) * factor); });
      }
    }
  });
}

template <class T>
void softmax_backward(Cpu, const SoftmaxBackwardArgs<T>& p) {
  using B = xsimd::batch<T>;
  parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T *y = p.y + r * p.columns, *dy = p.dy + r * p.columns;
      if (p.log) {
        const bool dead = std::all_of(y, y + p.columns, [](T v) { return v == cpu::lowest<T>; });
        const B sum(sum_over<T>(p.columns, [&](auto load) { return load(dy); })), keep(dead ? T(0) : T(1));
        put_batches(p.dx, r * p.columns, p.columns,
                    [&](auto load) { return keep * load(dy) - xsimd::exp(load(y)) * sum; });
      } else {
        const B sum(sum_over<T>(p.columns, [&](auto load) { return load(dy) * load(y); }));
        put_batches(p.dx, r * p.columns, p.columns, [&](auto load) { return load(y) * (load(dy) - sum); });
      }
    }
  });
}

template <class T>
void logsumexp_forward(Cpu, const LogSumExpArgs<T>& p) {
  parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) p.y[r] = cpu::exp_sum(p.x + r * p.columns, p.columns).log();
  });
}

template <class T>
void logsumexp_backward(Cpu, const LogSumExpBackwardArgs<T>& p) {
  using B = xsimd::batch<T>;
  parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* x = p.x + r * p.columns;
      const bool dead = p.y[r] == cpu::lowest<T>;  // exp(-inf - 0) = 0: no gradient
      const B total(dead ? T(0) : p.y[r]), dy(p.dy[r]);
      put_batches(p.dx, r * p.columns, p.columns, [&](auto load) { return dy * xsimd::exp(load(x) - total); });
    }
  });
}

}  // namespace cloze::kernels
