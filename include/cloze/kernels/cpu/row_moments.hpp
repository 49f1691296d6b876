// Mean and standard deviation of a row that is in the first cache.
#pragma once

#include <cmath>

#include <cloze/kernels/cpu/row.hpp>
#include <cloze/kernels/cpu/simd.hpp>

namespace cloze::kernels {

template <class T>
struct RowMoments {
  T mean;
  T rstd;  // 1 / √(variance + eps), the variance taken in a second pass over the row
};

/// Of z [columns], whose batches (zeros past the end) add up to `sums`.
template <class T>
RowMoments<T> row_moments(const T* z, Index columns, T eps, xsimd::batch<T> sums) {
  using B = xsimd::batch<T>;
  constexpr Index width = static_cast<Index>(B::size);
  const T share = T(1) / static_cast<T>(columns);
  const T mean = xsimd::hadd(sums) * share;
  B squares(T(0));
  for_batches<T>(columns, [&](Index at, auto load, auto) {
    B difference = load(z) - B(mean);
    if (at + width > columns) difference = first_lanes(difference, columns - at, T(0));
    squares += difference * difference;
  });
  return {mean, T(1) / std::sqrt(xsimd::hadd(squares) * share + eps)};
}

}  // namespace cloze::kernels
