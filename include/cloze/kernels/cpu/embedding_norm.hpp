// Looked-up rows, summed and normalised, on Cpu: a row stays in the first cache from its tables to its result.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/dropout_bits.hpp>
#include <cloze/kernels/cpu/row_moments.hpp>
#include <cloze/kernels/cpu/scratch.hpp>
#include <cloze/kernels/cpu/simd.hpp>
#include <cloze/kernels/embedding_norm_args.hpp>

namespace cloze::kernels {

template <class T>
void embedding_norm_forward(Cpu, const EmbeddingNormArgs<T>& a) {
  using B = xsimd::batch<T>;
  parallel_for(a.rows, rows_per_task(a.columns), [&](Index begin, Index end) {
    T* factors = a.dropout.active() ? thread_scratch<T>(row_factors_size(a.columns)) : nullptr;
    for (Index r = begin; r < end; ++r) {
      if (factors) row_dropout_factors(a.dropout, r, a.columns, factors);
      T* z = a.z + r * a.columns;
      T* y = a.y + r * a.columns;
      const T* from[EmbeddingNormArgs<T>::most] = {};
      for (int t = 0; t < a.count; ++t) from[t] = a.tables[t].table + a.tables[t].ids[r] * a.columns;
      B sums(T(0));
      for_batches<T>(a.columns, [&](Index, auto load, auto store) {
        B value = load(from[0]);
        for (int t = 1; t < a.count; ++t) value += load(from[t]);
        store(z, value);
        sums += value;
      });
      const RowMoments<T> moments = row_moments(z, a.columns, a.eps, sums);
      for_batches<T>(a.columns, [&](Index, auto load, auto store) {
        B value = (load(z) - B(moments.mean)) * B(moments.rstd) * load(a.gamma) + load(a.beta);
        if (factors) value *= load(factors);
        store(y, value);
      });
      if (a.mean) a.mean[r] = moments.mean;
      if (a.rstd) a.rstd[r] = moments.rstd;
    }
  });
}

}  // namespace cloze::kernels
