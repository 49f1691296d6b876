// Rows of a table by index on Reference.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/gather_args.hpp>

namespace cloze::kernels {

template <class T>
void gather_forward(Reference, const GatherArgs<T>& a) {
  for (Index i = 0; i < a.count; ++i)
    for (Index c = 0; c < a.columns; ++c) a.y[i * a.columns + c] = a.table[a.ids[i] * a.columns + c];
}

template <class T>
void gather_backward(Reference, const GatherBackwardArgs<T>& a) {
  for (Index i = 0; i < a.count; ++i)
    for (Index c = 0; c < a.columns; ++c) a.dtable[a.slots[i] * a.columns + c] += a.dy[i * a.columns + c];
}

}  // namespace cloze::kernels
