// Dropout on Reference: one decision at a time.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/dropout_args.hpp>

namespace cloze::kernels {

template <class T>
void dropout(Reference, const DropoutArgs<T>& a) {
  for (Index r = 0; r < a.rows; ++r)
    for (Index c = 0; c < a.columns; ++c) {
      const Index i = r * a.columns + c;
      const bool kept = RowDropout::keeps(a.dropout, a.row_ids ? a.row_ids[r] : r, c);
      const T y = a.x[i] * (kept ? static_cast<T>(a.dropout.scale) : T(0));
      a.y.data[i] = a.y.add ? a.y.data[i] + y : y;
    }
}

}  // namespace cloze::kernels
