// Sums and their spreading on Reference.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/reduce_args.hpp>
#include <cloze/kernels/ref/put.hpp>

namespace cloze::kernels {

template <class T>
void sum_all(Reference, const SumArgs<T>& p) {
  T sum{0};
  for (Index i = 0; i < p.size; ++i) sum += p.x[i];
  p.y[0] = p.scale * sum;
}

template <class T>
void row_sum(Reference, const RowSumArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r) {
    T sum{0};
    for (Index c = 0; c < p.columns; ++c) sum += p.x[r * p.columns + c];
    p.y[r] = sum;
  }
}

template <class T>
void spread(Reference, const SpreadArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r)
    for (Index c = 0; c < p.columns; ++c) put(p.dx, r * p.columns + c, p.scale * p.dy[r * p.step]);
}

template <class T>
void segment_sum(Reference, const SegmentSumArgs<T>& p) {
  for (Index s = 0; s < p.segments; ++s)
    for (Index c = 0; c < p.columns; ++c) {
      T sum{0};
      for (Index r = p.bounds[s]; r < p.bounds[s + 1]; ++r) sum += p.x[r * p.columns + c];
      const Index count = p.bounds[s + 1] - p.bounds[s];
      p.y[s * p.columns + c] = p.mean && count > 0 ? sum / static_cast<T>(count) : sum;
    }
}

template <class T>
void segment_spread(Reference, const SegmentSpreadArgs<T>& p) {
  for (Index s = 0; s < p.segments; ++s) {
    const T count = p.mean ? static_cast<T>(p.bounds[s + 1] - p.bounds[s]) : T(1);
    for (Index r = p.bounds[s]; r < p.bounds[s + 1]; ++r)
      for (Index c = 0; c < p.columns; ++c) put(p.dx, r * p.columns + c, p.dy[s * p.columns + c] / count);
  }
}

}  // namespace cloze::kernels
