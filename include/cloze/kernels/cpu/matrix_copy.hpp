// Matrix copies on Cpu: rows in parallel; the transpose in tiles that stay in the first-level cache.
#pragma once

#include <algorithm>

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/row.hpp>
#include <cloze/kernels/matrix_copy_args.hpp>

namespace cloze::kernels {

template <class T>
void matrix_copy(Cpu, const MatrixCopyArgs<T>& p) {
  parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* from = p.from + r * p.ld_from;
      T* to = p.to + r * p.ld_to;
      if (p.add) {
        put_batches(GradTarget<T>{to, true}, 0, p.columns, [&](auto load) { return load(from); });
      } else {
        std::copy_n(from, p.columns, to);
      }
    }
  });
}

template <class T>
void transpose(Cpu, const TransposeArgs<T>& p) {
  constexpr Index tile = 32;
  parallel_for((p.columns + tile - 1) / tile, rows_per_task(tile * p.rows), [&](Index begin, Index end) {
    const Index last = std::min(end * tile, p.columns);
    for (Index r0 = 0; r0 < p.rows; r0 += tile)
      for (Index c0 = begin * tile; c0 < last; c0 += tile)
        for (Index c = c0; c < std::min(c0 + tile, last); ++c)
          for (Index r = r0; r < std::min(r0 + tile, p.rows); ++r) {
            T& to = p.to[c * p.rows + r];
            to = p.add ? to + p.from[r * p.columns + c] : p.from[r * p.columns + c];
          }
  });
}

}  // namespace cloze::kernels
