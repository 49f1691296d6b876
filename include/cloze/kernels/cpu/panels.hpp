// Small matrices in panels, and their products: the inner loops of attention. Library GEMMs pay for packing and
// for the call on such sizes; here both operands are packed once and reused.
#pragma once

#include <type_traits>
#include <utility>

#include <cloze/kernels/cpu/simd.hpp>

namespace cloze::kernels {

/// A matrix cut into panels two vectors wide, each stored row after row: row strides are compile-time constants, and
/// one layout serves as either operand of a product, transposed or not. There is room for
/// columns up to a whole panel; up to a whole batch they are computed with.
template <class T>
struct Panels {
  static constexpr Index lanes = static_cast<Index>(xsimd::batch<std::remove_const_t<T>>::size);
  static constexpr Index width = 2 * lanes;

  T* data;
  Index rows;  // allocated: the distance between panels is rows · width

  static constexpr Index padded(Index columns) { return (columns + width - 1) / width * width; }
  /// Elements of [rows, columns].
  static constexpr Index size(Index rows, Index columns) { return rows * padded(columns); }
  /// Row r of panel p.
  T* at(Index p, Index r) const { return data + (p * rows + r) * width; }
  static constexpr std::integral_constant<Index, width> row_step() { return {}; }
  Index panel_step() const { return rows * width; }
};

/// A row-major matrix as an operand of panel_product without packing. Where it stands right or is the result, its
/// columns are whole panels.
template <class T>
struct Rows {
  static constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;

  T* data;
  Index stride;

  T* at(Index p, Index r) const { return data + r * stride + p * width; }
  Index row_step() const { return stride; }
  static constexpr std::integral_constant<Index, width> panel_step() { return {}; }
};

namespace detail {

/// The even and odd halves of a perfect shuffle: {a0, b0, a1, b1, …}.
template <class T>
std::pair<xsimd::batch<T>, xsimd::batch<T>> interleave(xsimd::batch<T> a, xsimd::batch<T> b) {
  using B = xsimd::batch<T>;
  constexpr std::size_t n = B::size;
#if __has_builtin(__builtin_shufflevector) && !defined(__CUDACC__)  // nvcc garbles the packs below
  return [&]<std::size_t... i>(std::index_sequence<i...>) {
    return std::pair<B, B>(B(__builtin_shufflevector(a.data, b.data, (i / 2 + i % 2 * n)...)),
                           B(__builtin_shufflevector(a.data, b.data, (n / 2 + i / 2 + i % 2 * n)...)));
  }
  (std::make_index_sequence<n>());
#else
  alignas(64) T in[2][n], out[2 * n];
  a.store_aligned(in[0]);
  b.store_aligned(in[1]);
  for (std::size_t i = 0; i < 2 * n; ++i) out[i] = in[i % 2][i / 2];
  return {B::load_aligned(out), B::load_aligned(out + n)};
#endif
}

/// Turns a square of batches about its diagonal. Each perfect shuffle of the rows rotates the bits of (row, lane).
template <class T>
[[gnu::always_inline]] inline void transpose(xsimd::batch<T> (&block)[xsimd::batch<T>::size]) {
  constexpr int n = static_cast<int>(xsimd::batch<T>::size);
#pragma GCC unroll 4
  for (int stage = 1; stage < n; stage *= 2) {
    xsimd::batch<T> next[n];
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; ++i) {
      const auto [low, high] = interleave(block[i], block[i + n / 2]);
      next[2 * i] = low;
      next[2 * i + 1] = high;
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) block[i] = next[i];
  }
}

/// Lane i of the result is `op` over the lanes of batch i: a tree of one shape, wherever a batch stands.
template <class T, class Op>
[[gnu::always_inline]] inline xsimd::batch<T> reduce_each(xsimd::batch<T> (&batches)[xsimd::batch<T>::size], Op op) {
#pragma GCC unroll 4
  for (int n = static_cast<int>(xsimd::batch<T>::size) / 2; n > 0; n /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) {
      const auto [low, high] = interleave(batches[i], batches[i + n]);
      batches[i] = op(low, high);
    }
  }
  return batches[0];
}

}  // namespace detail

/// Packs a row-major matrix times a factor: out(first_row + r, c) = factor · from[r · stride + c], zeros up to a whole
/// panel.
template <class T>
void pack_panels(const T* from, Index stride, Index rows, Index columns, T factor, const Panels<T>& out) {
  using B = xsimd::batch<T>;
  constexpr Index lanes = Panels<T>::lanes;
  for (Index r = 0; r < rows; ++r) {
    const T* row = from + r * stride;
    for (Index c = 0; c < columns; c += lanes) {
      const B value = c + lanes <= columns ? B::load_unaligned(row + c) : load_partial(row + c, columns - c);
      (value * B(factor)).store_aligned(out.at(c / Panels<T>::width, r) + c % Panels<T>::width);
    }
  }
}

/// Packs the transpose: out(c, r) = from[r · stride + c], zeros for r up to a whole batch.
template <class T>
void pack_transposed(const T* from, Index stride, Index rows, Index columns, const Panels<T>& out, T factor = T(1)) {
  using B = xsimd::batch<T>;
  constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;
  for (Index r = 0; r < rows; r += lanes)
    for (Index c = 0; c < columns; c += lanes) {
      B block[lanes];
      const T* row = from + r * stride + c;
      T* to = out.at(r / width, c) + r % width;
      if (r + lanes <= rows && c + lanes <= columns) {
#pragma GCC unroll 16
        for (Index i = 0; i < lanes; ++i) block[i] = B::load_unaligned(row + i * stride) * B(factor);
        detail::transpose<T>(block);
#pragma GCC unroll 16
        for (Index i = 0; i < lanes; ++i) block[i].store_aligned(to + i * width);
        continue;
      }
      const Index count = std::min(lanes, columns - c);
      for (Index i = 0; i < lanes; ++i) {
        const bool inside = r + i < rows;
        block[i] = !inside          ? B(T(0))
                   : count == lanes ? B::load_unaligned(row + i * stride) * B(factor)
                                    : load_partial(row + i * stride, count) * B(factor);
      }
      detail::transpose<T>(block);
      for (Index i = 0; i < count; ++i) block[i].store_aligned(to + i * width);
    }
}

namespace detail {

/// C = A B or C += A B for R rows and V vectors of one panel of B and C, over k. A's rows lie in its panels (k runs
/// along them), or where `Transposed` in one panel's columns (k runs down it). Sums are in order of k, whatever R and V
/// are. Row r of A B is multiplied by factor[r] where there is one.
template <int R, int V, bool Transposed, class T, class AStep, class BStep, class CStep>
void panel_tile(const T* a, AStep a_row, Index a_panel, Index k, const T* b, BStep b_row, T* c, CStep c_row, bool add,
                const T* factor) {
  using B = xsimd::batch<T>;
  constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;
  B sum[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[r][v] = B(T(0));
  const auto step = [&](const T* a_at, auto a_step, const T* b_at) __attribute__((always_inline)) {
    B right[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) right[v] = B::load_unaligned(b_at + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const B left(a_at[r * a_step]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[r][v] = xsimd::fma(left, right[v], sum[r][v]);
    }
  };
  if constexpr (Transposed) {
    for (Index i = 0; i < k; ++i) step(a + i * a_row, std::integral_constant<Index, 1>{}, b + i * b_row);
  } else {
    for (Index i = 0; i < k; i += width, a += a_panel) {
      const Index count = std::min(width, k - i);
      for (Index j = 0; j < count; ++j) step(a + j, a_row, b + (i + j) * b_row);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      T* at = c + r * c_row + v * lanes;
      if (factor) sum[r][v] *= B(factor[r]);
      if (add) sum[r][v] += B::load_unaligned(at);
      sum[r][v].store_unaligned(at);
    }
}

/// Rows of a tile: as many accumulators as the registers hold.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int panel_rows = 12;
#else
inline constexpr int panel_rows = 6;
#endif

template <int R, bool Transposed, class T, class AStep, class BStep, class CStep>
Index panel_rows_from(Index left, bool two, const T* a, AStep a_row, Index a_panel, Index k, const T* b, BStep b_row,
                      T* c, CStep c_row, bool add, const T* factor) {
  if constexpr (R == 0) {
    return 0;
  } else {
    if (left >= R) {
      if (two) {
        panel_tile<R, 2, Transposed>(a, a_row, a_panel, k, b, b_row, c, c_row, add, factor);
      } else {
        panel_tile<R, 1, Transposed>(a, a_row, a_panel, k, b, b_row, c, c_row, add, factor);
      }
      return R;
    }
    constexpr int smaller = R == 12 ? 8 : R == 6 ? 4 : R / 2;
    return panel_rows_from<smaller, Transposed>(left, two, a, a_row, a_panel, k, b, b_row, c, c_row, add, factor);
  }
}

}  // namespace detail

/// C = A B, or C += A B where `add`.   A [m, k], B [k, n]  ->  C [m, n], whole vectors of columns.
/// Where `Transposed`, A is stored [k, m]. Operands are Panels or Rows. Row r of A B is multiplied by factor[r] where
/// there is one.
template <bool Transposed, class A, class B, class C, class T = std::remove_cvref_t<decltype(*C{}.data)>>
void panel_product(Index m, Index n, Index k, const A& a, const B& b, const C& c, bool add, const T* factor = nullptr) {
  constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;
  for (Index p = 0; p * width < n; ++p) {
    const bool two = n - p * width > lanes;
    for (Index r = 0; r < m;) {
      const Index left = Transposed ? std::min(m - r, width - r % width) : m - r;
      const T* from = Transposed ? a.at(r / width, 0) + r % width : a.at(0, r);
      r += detail::panel_rows_from<detail::panel_rows, Transposed, T>(left, two, from, a.row_step(), a.panel_step(), k,
                                                                      b.at(p, 0), b.row_step(), c.at(p, r),
                                                                      c.row_step(), add, factor ? factor + r : nullptr);
    }
  }
}

/// Unpacks: to[r · stride + c] = factor(r) · from(r, c), plus keep(r) · to[r · stride + c] where `add`.
template <class T, class Factor, class Keep>
void unpack_panels(const Panels<T>& from, Index rows, Index columns, T* to, Index stride, bool add, Factor factor,
                   Keep keep) {
  using B = xsimd::batch<T>;
  for (Index r = 0; r < rows; ++r) {
    const B scale(factor(r)), kept(keep(r));
    T* row = to + r * stride;
    for_batches<T>(columns, [&](Index c, auto load, auto store) {
      const B value = B::load_aligned(from.at(c / Panels<T>::width, r) + c % Panels<T>::width);
      store(row, add ? load(row) * kept + value * scale : value * scale);
    });
  }
}

}  // namespace cloze::kernels
