// Copies of matrices with row strides, straight or transposed: slices, concatenations and their backward passes.
#pragma once

#include <cloze/core/ids.hpp>

namespace cloze::kernels {

/// to[r, c] = from[r, c], or += where `add`.
template <class T>
struct MatrixCopyArgs {
  Index rows, columns;
  const T* from;
  Index ld_from;  // elements from one row to the next
  T* to;
  Index ld_to;
  bool add;
};

/// to[c, r] = from[r, c], or += where `add`. Both are contiguous and do not overlap.
template <class T>
struct TransposeArgs {
  Index rows, columns;  // of `from`
  const T* from;
  T* to;
  bool add;
};

}  // namespace cloze::kernels
