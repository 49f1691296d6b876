// Rows of a table by index on Cpu.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/simd.hpp>
#include <cloze/kernels/gather_args.hpp>

namespace cloze::kernels {

template <class T>
void gather_forward(Cpu, const GatherArgs<T>& a) {
  parallel_for(a.count, rows_per_task(a.columns), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) std::copy_n(a.table + a.ids[i] * a.columns, a.columns, a.y + i * a.columns);
  });
}

template <class T>
void gather_backward(Cpu, const GatherBackwardArgs<T>& a) {
  constexpr Index block = 64;  // columns; one task owns them for every row, so equal slots add up in row order
  parallel_for((a.columns + block - 1) / block, std::max<Index>(1, 16384 / (block * std::max<Index>(1, a.count))),
               [&](Index begin, Index end) {
                 const Index from = begin * block, size = std::min(end * block, a.columns) - from;
                 for (Index i = 0; i < a.count; ++i) {
                   const T* dy = a.dy + i * a.columns + from;
                   T* out = a.dtable + a.slots[i] * a.columns + from;
                   for_batches<T>(size, [&](Index, auto load, auto store) { store(out, load(out) + load(dy)); });
                 }
               });
}

}  // namespace cloze::kernels
