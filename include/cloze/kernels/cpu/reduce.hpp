// Sums and their spreading on Cpu. Work is cut by the data's size alone, so the thread count never changes a bit.
#pragma once

#include <algorithm>
#include <array>

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/row.hpp>
#include <cloze/kernels/reduce_args.hpp>

namespace cloze::kernels {

template <class T>
void sum_all(Cpu, const SumArgs<T>& p) {
  constexpr Index blocks = 256, run = 4096;
  std::array<double, blocks> sums{};  // in double: one number per run costs nothing
  const Index runs = (p.size + run - 1) / run, per_block = (runs + blocks - 1) / blocks;
  parallel_for(
      std::min(runs, blocks), std::max<Index>(1, 16 / std::max<Index>(1, per_block)), [&](Index begin, Index end) {
        for (Index b = begin; b < end; ++b)
          for (Index i = b * per_block * run; i < std::min((b + 1) * per_block * run, p.size); i += run)
            sums[static_cast<std::size_t>(b)] +=
                static_cast<double>(sum_over<T>(std::min(run, p.size - i), [&](auto load) { return load(p.x + i); }));
      });
  double sum = 0;
  for (const double block : sums) sum += block;
  p.y[0] = static_cast<T>(static_cast<double>(p.scale) * sum);
}

template <class T>
void row_sum(Cpu, const RowSumArgs<T>& p) {
  parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r)
      p.y[r] = sum_over<T>(p.columns, [&](auto load) { return load(p.x + r * p.columns); });
  });
}

template <class T>
void spread(Cpu, const SpreadArgs<T>& p) {
  using B = xsimd::batch<T>;
  const bool one = p.step == 0;  // one number for all: the matrix may be cut anywhere
  const Index rows = one ? p.rows * p.columns : p.rows, columns = one ? 1 : p.columns;
  parallel_for(rows, rows_per_task(columns), [&](Index begin, Index end) {
    if (one) {
      const B value(p.scale * p.dy[0]);
      put_batches(p.dx, begin, end - begin, [&](auto) { return value; });
      return;
    }
    for (Index r = begin; r < end; ++r) {
      const B value(p.scale * p.dy[r * p.step]);
      put_batches(p.dx, r * columns, columns, [&](auto) { return value; });
    }
  });
}

template <class T>
void segment_sum(Cpu, const SegmentSumArgs<T>& p) {
  constexpr Index block = 64;  // columns; each (segment, block) is one task's own, so rows add up in one order
  const Index blocks = (p.columns + block - 1) / block;
  const Index rows = p.segments == 0 ? 0 : p.bounds[p.segments];
  parallel_for(p.segments * blocks, rows_per_task(block * (rows / std::max<Index>(1, p.segments) + 1)),
               [&](Index begin, Index end) {
                 for (Index task = begin; task < end; ++task) {
                   const Index s = task / blocks, from = task % blocks * block,
                               count = std::min(block, p.columns - from);
                   T sums[block] = {};
                   for (Index r = p.bounds[s]; r < p.bounds[s + 1]; ++r)
                     for (Index c = 0; c < count; ++c) sums[c] += p.x[r * p.columns + from + c];
                   const Index length = p.bounds[s + 1] - p.bounds[s];
                   const T divisor = p.mean && length > 0 ? static_cast<T>(length) : T(1);
                   for (Index c = 0; c < count; ++c) p.y[s * p.columns + from + c] = sums[c] / divisor;
                 }
               });
}

template <class T>
void segment_spread(Cpu, const SegmentSpreadArgs<T>& p) {
  using B = xsimd::batch<T>;
  const Index rows = p.segments == 0 ? 0 : p.bounds[p.segments];
  parallel_for(rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    Index s = std::upper_bound(p.bounds, p.bounds + p.segments + 1, begin) - p.bounds - 1;
    for (Index r = begin; r < end; ++r) {
      while (r >= p.bounds[s + 1]) ++s;
      const B divisor(p.mean ? static_cast<T>(p.bounds[s + 1] - p.bounds[s]) : T(1));
      const T* dy = p.dy + s * p.columns;
      put_batches(p.dx, r * p.columns, p.columns, [&](auto load) { return load(dy) / divisor; });
    }
  });
}

}  // namespace cloze::kernels
