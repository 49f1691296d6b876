// Loops over xsimd batches with tails that give the same bits as the body.
#pragma once

#include <algorithm>

#include <xsimd/xsimd.hpp>

#include <cloze/core/ids.hpp>

namespace cloze::kernels {

/// Loads `count` < width elements, zeros elsewhere.
template <class T>
xsimd::batch<T> load_partial(const T* from, Index count) {
  alignas(64) T lanes[xsimd::batch<T>::size] = {};
  std::copy_n(from, count, lanes);
  return xsimd::batch<T>::load_aligned(lanes);
}

template <class T>
void store_partial(T* to, xsimd::batch<T> value, Index count) {
  alignas(64) T lanes[xsimd::batch<T>::size];
  value.store_aligned(lanes);
  std::copy_n(lanes, count, to);
}

/// Calls body(offset, load, store) over [0, size) in batches; the last one may be partial. `load(p)` reads p + offset
/// and `store(p, v)` writes it: elements pass through the same vector code wherever they lie, so a result never depends
/// on its position or on the number of threads.
template <class T, class Body>
void for_batches(Index size, Body&& body) {
  using B = xsimd::batch<T>;
  constexpr Index width = static_cast<Index>(B::size);
  Index i = 0;
  for (; i + width <= size; i += width)
    body(
        i, [i](const T* p) { return B::load_unaligned(p + i); }, [i](T* p, B v) { v.store_unaligned(p + i); });
  if (i < size)
    body(
        i, [i, size](const T* p) { return load_partial(p + i, size - i); },
        [i, size](T* p, B v) { store_partial(p + i, v, size - i); });
}

/// A grain for parallel_for that makes each range about 64k elements: less is done before another thread wakes up.
inline Index rows_per_task(Index columns) { return std::max<Index>(1, 65536 / std::max<Index>(1, columns)); }

}  // namespace cloze::kernels
