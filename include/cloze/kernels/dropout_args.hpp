// Dropout of a matrix, row by row: what the kernels need to know.
#pragma once

#include <cloze/core/dropout.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// y = x ∘ mask / keep probability. Row r draws as row row_ids[r], or r where row_ids is null. Serves the backward pass
/// too: from dy to dx.
template <class T>
struct DropoutArgs {
  Index rows, columns;
  const T* x;  // [rows, columns]
  DropoutRule dropout;
  const Index* row_ids;  // [rows] on the host, or null
  GradTarget<T> y;       // [rows, columns]
};

}  // namespace cloze::kernels
