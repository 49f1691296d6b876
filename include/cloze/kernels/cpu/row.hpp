// Sums and maxima over rows on xsimd batches: one fixed order of additions, whatever the position or the thread count.
#pragma once

#include <algorithm>
#include <limits>

#include <xsimd/xsimd.hpp>

#include <cloze/kernels/cpu/simd.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// The first `count` lanes of `value`, `fill` in the others.
template <class T>
xsimd::batch<T> first_lanes(xsimd::batch<T> value, Index count, T fill) {
  alignas(64) T lanes[xsimd::batch<T>::size];
  value.store_aligned(lanes);
  std::fill(lanes + count, lanes + xsimd::batch<T>::size, fill);
  return xsimd::batch<T>::load_aligned(lanes);
}

/// Σ f(load) over [0, size): f maps a loader, as in for_batches, to a batch. Short runs are summed apart before they
/// join the total, so the rounding error grows with the square root of a long row, not with its length.
template <class T, class F>
T sum_over(Index size, F&& f) {
  using B = xsimd::batch<T>;
  constexpr Index width = static_cast<Index>(B::size), run = 32 * width;
  B total(T(0)), part(T(0));
  for_batches<T>(size, [&](Index i, auto load, auto) {
    B value = f(load);
    if (size - i < width) value = first_lanes(value, size - i, T(0));
    part += value;
    if ((i + width) % run == 0) {
      total += part;
      part = B(T(0));
    }
  });
  alignas(64) T lanes[B::size];
  (total + part).store_aligned(lanes);
  T sum{0};
  for (const T lane : lanes) sum += lane;
  return sum;
}

/// The largest element of x [size], -inf where there is none. NaN may be lost: check what is computed from it.
template <class T>
T max_over(const T* x, Index size) {
  using B = xsimd::batch<T>;
  constexpr Index width = static_cast<Index>(B::size);
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  B best(lowest);
  for_batches<T>(size, [&](Index i, auto load, auto) {
    B value = load(x);
    if (size - i < width) value = first_lanes(value, size - i, lowest);
    best = xsimd::max(best, value);
  });
  alignas(64) T lanes[B::size];
  best.store_aligned(lanes);
  return *std::max_element(lanes, lanes + B::size);
}

/// Puts f(load) into target[offset, offset + size), as the target wants it: written or added.
template <class T, class F>
void put_batches(GradTarget<T> target, Index offset, Index size, F&& f) {
  T* to = target.data + offset;
  if (target.add) {
    for_batches<T>(size, [&](Index, auto load, auto store) { store(to, load(to) + f(load)); });
  } else {
    for_batches<T>(size, [&](Index, auto load, auto store) { store(to, f(load)); });
  }
}

}  // namespace cloze::kernels
