// Matrix copies on Reference.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/matrix_copy_args.hpp>

namespace cloze::kernels {

template <class T>
void matrix_copy(Reference, const MatrixCopyArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r)
    for (Index c = 0; c < p.columns; ++c) {
      T& to = p.to[r * p.ld_to + c];
      to = p.add ? to + p.from[r * p.ld_from + c] : p.from[r * p.ld_from + c];
    }
}

template <class T>
void transpose(Reference, const TransposeArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r)
    for (Index c = 0; c < p.columns; ++c) {
      T& to = p.to[c * p.rows + r];
      to = p.add ? to + p.from[r * p.columns + c] : p.from[r * p.columns + c];
    }
}

}  // namespace cloze::kernels
