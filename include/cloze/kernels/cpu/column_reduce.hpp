// Column groups on Cpu: rows in parallel; a weight's gradient is summed over the rows by one task.
#pragma once

#include <algorithm>
#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/column_reduce_args.hpp>
#include <cloze/kernels/cpu/softmax.hpp>

namespace cloze::kernels {

namespace cpu {

/// The column of the group [begin, end) whose weighted score is largest, the first of equals; a NaN wins.
template <class T>
Index largest_column(const T* x, const T* weights, Index begin, Index end) {
  Index best = begin;
  const auto at = [&](Index j) { return weights ? weights[j] * x[j] : x[j]; };
  for (Index j = begin + 1; j < end && at(best) == at(best); ++j)
    if (!(at(j) <= at(best))) best = j;
  return best;
}

/// log Σ w exp(x) over a group. A weight of zero leaves its column out, whatever its score.
template <class T>
T group_logsumexp(const T* x, const T* weights, Index size) {
  using B = xsimd::batch<T>;
  if (!weights) return exp_sum(x, size).log();
  T largest = lowest<T>;
  for (Index j = 0; j < size; ++j)
    if (weights[j] != T(0) && (x[j] > largest || x[j] != x[j])) largest = x[j];
  if (largest == lowest<T>) return lowest<T>;
  const B shift(largest), zero(T(0));
  return largest + std::log(sum_over<T>(size, [&](auto load) {
           const B w = load(weights);
           return xsimd::select(w == zero, zero, w * xsimd::exp(load(x) - shift));
         }));
}

template <class T>
T group_weight(const T* weights, Index size) {
  return weights ? sum_over<T>(size, [&](auto load) { return load(weights); }) : static_cast<T>(size);
}

}  // namespace cpu

template <class T>
void column_reduce_forward(Cpu, const ColumnReduceArgs<T>& p) {
  parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r)
      for (Index g = 0; g < p.groups; ++g) {
        const Index from = p.bounds[g], size = p.bounds[g + 1] - from;
        const T *x = p.x + r * p.columns + from, *w = p.weights ? p.weights + from : nullptr;
        T& y = p.y[r * p.groups + g];
        if (p.kind == ColumnReduce::max) {
          const Index best = cpu::largest_column(x, w, 0, size);
          y = w ? w[best] * x[best] : x[best];
        } else if (p.kind == ColumnReduce::logsumexp) {
          y = cpu::group_logsumexp(x, w, size);
        } else {
          y = sum_over<T>(size, [&](auto load) { return w ? load(w) * load(x) : load(x); });
          if (p.kind == ColumnReduce::mean) y /= cpu::group_weight(w, size);
        }
      }
  });
}

template <class T>
void column_reduce_backward(Cpu, const ColumnReduceBackwardArgs<T>& p) {
  using B = xsimd::batch<T>;
  if (p.dx.data) {
    parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r)
        for (Index g = 0; g < p.groups; ++g) {
          const Index from = p.bounds[g], size = p.bounds[g + 1] - from, at = r * p.columns + from;
          const T *x = p.x + at, *w = p.weights ? p.weights + from : nullptr;
          const T dy = p.dy[r * p.groups + g], y = p.y[r * p.groups + g];
          const B one(T(1)), zero(T(0));
          if (p.kind == ColumnReduce::max) {
            const Index best = cpu::largest_column(x, w, 0, size);
            if (!p.dx.add) std::fill_n(p.dx.data + at, size, T(0));
            p.dx.data[at + best] += dy * (w ? w[best] : T(1));
          } else if (p.kind == ColumnReduce::logsumexp) {
            const B total(y == cpu::lowest<T> ? T(0) : y), scale(y == cpu::lowest<T> ? T(0) : dy);
            put_batches(p.dx, at, size, [&](auto load) {
              const B weight = w ? load(w) : one;
              return xsimd::select(weight == zero, zero, scale * weight * xsimd::exp(load(x) - total));
            });
          } else {
            const B scale(p.kind == ColumnReduce::mean ? dy / cpu::group_weight(w, size) : dy);
            put_batches(p.dx, at, size, [&](auto load) { return w ? scale * load(w) : scale; });
          }
        }
    });
  }
  if (!p.dweights.data) return;
  parallel_for(p.groups, 1, [&](Index begin, Index end) {
    for (Index g = begin; g < end; ++g) {
      const Index from = p.bounds[g], to = p.bounds[g + 1];
      const T total = cpu::group_weight(p.weights + from, to - from);
      if (!p.dweights.add) std::fill(p.dweights.data + from, p.dweights.data + to, T(0));
      for (Index r = 0; r < p.rows; ++r) {
        const T *x = p.x + r * p.columns, y = p.y[r * p.groups + g], dy = p.dy[r * p.groups + g];
        if (p.kind == ColumnReduce::max) {
          const Index best = cpu::largest_column(x, p.weights, from, to);
          p.dweights.data[best] += dy * x[best];
          continue;
        }
        for (Index j = from; j < to; ++j) {
          T slope = x[j];
          if (p.kind == ColumnReduce::mean) slope = (x[j] - y) / total;
          if (p.kind == ColumnReduce::logsumexp) slope = y == cpu::lowest<T> ? T(0) : std::exp(x[j] - y);
          p.dweights.data[j] += dy * slope;
        }
      }
    }
  });
}

}  // namespace cloze::kernels
