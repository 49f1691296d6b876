// Norms and factors on Reference.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/rescale_args.hpp>

namespace cloze::kernels {

template <class T>
void square_sum(Reference, const SquareSumArgs<T>& a) {
  double sum = 0;
  for (Index i = 0; i < a.size; ++i) sum += static_cast<double>(a.x[i]) * static_cast<double>(a.x[i]);
  *a.y = sum;
}

template <class T>
void rescale(Reference, const RescaleArgs<T>& a) {
  for (Index i = 0; i < a.size; ++i) a.x[i] *= a.factor;
}

template <class T>
void rescale_rows(Reference, const RescaleRowsArgs<T>& a) {
  for (Index r = 0; r < a.rows; ++r)
    for (Index c = 0; a.slots[r] < 0 && c < a.columns; ++c) a.x[r * a.columns + c] *= a.factor;
}

}  // namespace cloze::kernels
