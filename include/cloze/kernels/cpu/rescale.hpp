// Norms and factors on Cpu. Sums are cut by the data's size alone, so the thread count never changes a bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/core/pool.hpp>
#include <cloze/kernels/cpu/simd.hpp>
#include <cloze/kernels/rescale_args.hpp>

namespace cloze::kernels {

template <class T>
void square_sum(Cpu, const SquareSumArgs<T>& a) {
  constexpr Index run = 16384, lanes = 16;
  const Index runs = (a.size + run - 1) / run;
  List<double> sums(static_cast<std::size_t>(runs));
  parallel_for(runs, 1, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const Index from = r * run, count = std::min(run, a.size - from);
      double parts[lanes] = {};  // independent, so that the loop becomes vector code
      Index i = 0;
      for (; i + lanes <= count; i += lanes)
        for (Index k = 0; k < lanes; ++k) {
          const auto x = static_cast<double>(a.x[from + i + k]);
          parts[k] += x * x;
        }
      for (; i < count; ++i)
        parts[i % lanes] += static_cast<double>(a.x[from + i]) * static_cast<double>(a.x[from + i]);
      double sum = 0;
      for (const double part : parts) sum += part;
      sums[static_cast<std::size_t>(r)] = sum;
    }
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  *a.y = sum;
}

template <class T>
void rescale(Cpu, const RescaleArgs<T>& a) {
  parallel_for(a.size, 16384, [&](Index begin, Index end) {
    const xsimd::batch<T> factor(a.factor);
    T* x = a.x + begin;
    for_batches<T>(end - begin, [&](Index, auto load, auto store) { store(x, load(x) * factor); });
  });
}

template <class T>
void clip_factor(Cpu, const ClipFactorArgs<T>& a) {
  double sum = 0;
  for (Index i = 0; i < a.count; ++i) sum += a.sums[i];
  *a.norm = std::sqrt(sum);
  const bool finite = std::isfinite(*a.norm);
  if (!finite) ++*a.skipped;
  *a.factor = finite ? static_cast<Compute<T>>(std::min(1.0, a.max_norm / (*a.norm + 1e-6)))
                     : std::numeric_limits<Compute<T>>::quiet_NaN();
}

template <class T>
void rescale_rows(Cpu, const RescaleRowsArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  parallel_for(a.rows, rows_per_task(a.columns), [&](Index begin, Index end) {
    const xsimd::batch<T> factor(a.factor);
    for (Index r = begin; r < end; ++r) {
      if (a.slots[r] >= 0) continue;
      T* x = a.x + r * a.columns;
      for_batches<T>(a.columns, [&](Index, auto load, auto store) { store(x, load(x) * factor); });
    }
  });
}

}  // namespace cloze::kernels
