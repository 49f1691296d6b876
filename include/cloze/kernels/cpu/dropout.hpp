// Dropout on Cpu: a row's factors, then one multiplication.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/dropout_bits.hpp>
#include <cloze/kernels/cpu/scratch.hpp>
#include <cloze/kernels/cpu/simd.hpp>
#include <cloze/kernels/dropout_args.hpp>

namespace cloze::kernels {

template <class T>
void dropout(Cpu, const DropoutArgs<T>& a) {
  parallel_for(a.rows, rows_per_task(a.columns), [&](Index begin, Index end) {
    T* factors = thread_scratch<T>(row_factors_size(a.columns));
    for (Index r = begin; r < end; ++r) {
      row_dropout_factors(a.dropout, a.row_ids ? a.row_ids[r] : r, a.columns, factors);
      const T* x = a.x + r * a.columns;
      T* y = a.y.data + r * a.columns;
      for_batches<T>(a.columns, [&](Index, auto load, auto store) {
        const auto value = load(x) * load(factors);
        store(y, a.y.add ? load(y) + value : value);
      });
    }
  });
}

}  // namespace cloze::kernels
