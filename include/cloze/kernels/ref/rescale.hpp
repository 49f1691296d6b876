// Norms and factors on Reference.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

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
void clip_factor(Reference, const ClipFactorArgs<T>& a) {
  double sum = 0;
  for (Index i = 0; i < a.count; ++i) sum += a.sums[i];
  *a.norm = std::sqrt(sum);
  const bool finite = std::isfinite(*a.norm);
  if (!finite) ++*a.skipped;
  *a.factor = finite ? static_cast<Compute<T>>(std::min(1.0, a.max_norm / (*a.norm + 1e-6)))
                     : std::numeric_limits<Compute<T>>::quiet_NaN();
}

template <class T>
void rescale_rows(Reference, const RescaleRowsArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  for (Index r = 0; r < a.rows; ++r)
    for (Index c = 0; a.slots[r] < 0 && c < a.columns; ++c) a.x[r * a.columns + c] *= a.factor;
}

}  // namespace cloze::kernels
