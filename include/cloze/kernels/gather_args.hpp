// Rows of a table by index, and the way back: what the kernels need to know.
#pragma once

#include <cloze/core/ids.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// y[i] = table[ids[i]].
template <class T>
struct GatherArgs {
  Index count, columns;
  const T* table;    // [any, columns]
  const Index* ids;  // [count] on the host, checked
  T* y;              // [count, columns]
};

/// dtable[slots[i]] += dy[i], each element in the order of i: slots may repeat.
template <class T>
struct GatherBackwardArgs {
  Index count, columns;
  const Index* slots;  // [count] on the host
  const T* dy;         // [count, columns]
  T* dtable;           // [any, columns]
};

}  // namespace cloze::kernels
