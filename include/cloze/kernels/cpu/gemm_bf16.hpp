// GEMM on Cpu in bf16: operands rounded to bf16, sums in float. Kernels of our own, by AMX tiles or AVX512_BF16: oneDNN
// 2.6 dies on virtual machines that hide the sizes of tiles, and takes memory for each new shape.
#pragma once

#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/bf16_pack.hpp>
#include <cloze/kernels/cpu/scratch.hpp>
#include <cloze/kernels/gemm_args.hpp>

#ifdef CLOZE_BF16_KERNELS

namespace cloze::kernels::detail {

inline constexpr Index bf16_side = 2 * bf16_lanes;  // rows and columns of C that one call of a kernel makes

/// C = A B or C += A B where `add`, for [32, depth] and [depth, 32] packed in two strips each, `tiles` along k.
using Bf16Kernel = void (*)(const Bf16Pair* a, const Bf16Pair* b, Index tiles, float* c, Index ldc, bool add);

/// Eight rows at a time: sixteen sums hide the latency of the products.
CLOZE_BF16_TARGET inline void bf16_block_avx512(const Bf16Pair* a, const Bf16Pair* b, Index tiles, float* c, Index ldc,
                                                bool add) {
  const Index strip = tiles * bf16_tile;
  for (Index first = 0; first < bf16_side; first += 8) {
    const Bf16Pair* rows = a + first / bf16_lanes * strip + first % bf16_lanes * bf16_lanes;
    float* to = c + first * ldc;
    __m512 sum[8][2];
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) sum[r][v] = add ? _mm512_loadu_ps(to + r * ldc + v * 16) : _mm512_setzero_ps();
    for (Index t = 0; t < strip; t += bf16_tile)
      for (Index p = 0; p < bf16_lanes; ++p) {
        const __m512i left_columns = _mm512_load_si512(b + t + p * bf16_lanes);
        const __m512i right_columns = _mm512_load_si512(b + strip + t + p * bf16_lanes);
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r) {
          const __m512i row = _mm512_set1_epi32(static_cast<int>(rows[t + r * bf16_lanes + p]));
          const auto& x = reinterpret_cast<const __m512bh&>(row);
          sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, reinterpret_cast<const __m512bh&>(left_columns));
          sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, reinterpret_cast<const __m512bh&>(right_columns));
        }
      }
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) _mm512_storeu_ps(to + r * ldc + v * 16, sum[r][v]);
  }
}

#define CLOZE_AMX_TARGET __attribute__((target("amx-tile,amx-bf16")))

/// Four tiles of sums, two of each operand: every tile that is loaded is used twice.
CLOZE_AMX_TARGET inline void bf16_block_amx(const Bf16Pair* a, const Bf16Pair* b, Index tiles, float* c, Index ldc,
                                            bool add) {
  const Index strip = tiles * bf16_tile, stride = ldc * static_cast<Index>(sizeof(float));
  __asm__ volatile("" : : : "memory");  // the intrinsics do not say that they read
  if (add) {
    _tile_loadd(0, c, stride);
    _tile_loadd(1, c + 16, stride);
    _tile_loadd(2, c + 16 * ldc, stride);
    _tile_loadd(3, c + 16 * ldc + 16, stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (Index t = 0; t < strip; t += bf16_tile) {
    _tile_loadd(6, b + t, 64);
    _tile_loadd(4, a + t, 64);
    _tile_loadd(7, b + strip + t, 64);
    _tile_loadd(5, a + strip + t, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, stride);
  _tile_stored(1, c + 16, stride);
  _tile_stored(2, c + 16 * ldc, stride);
  _tile_stored(3, c + 16 * ldc + 16, stride);
}

/// While it lives, the calling thread's tiles are 16 rows of 64 bytes; nothing where `unit` has none.
class Bf16Tiles {
 public:
  CLOZE_AMX_TARGET explicit Bf16Tiles(Bf16Unit unit) : used_(unit == Bf16Unit::amx) {
    if (!used_) return;
    Configuration all;
    std::fill_n(all.row_bytes, 8, std::uint16_t{64});
    std::fill_n(all.rows, 8, std::uint8_t{16});
    __asm__ volatile("ldtilecfg %0" : : "m"(all));  // the intrinsic names eight bytes only: stores to the rest go
  }
  CLOZE_AMX_TARGET ~Bf16Tiles() {
    if (used_) _tile_release();
  }
  Bf16Tiles(const Bf16Tiles&) = delete;
  Bf16Tiles& operator=(const Bf16Tiles&) = delete;

 private:
  struct Configuration {  // the layout that LDTILECFG reads
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  };

  bool used_;
};

/// A strip of A, rows [first, first + 16), or one of B, columns; k in [from, from + depth).
inline void pack_bf16_a(const GemmArgs<float>& g, Index first, Index from, Index depth, Bf16Pair* to) {
  const Index rows = std::clamp<Index>(g.m - first, 0, bf16_lanes);
  if (g.transpose_a) return pack_bf16_strip<false, false>(g.a + from * g.lda + first, g.lda, rows, depth, to);
  pack_bf16_strip<true, false>(g.a + (rows ? first : 0) * g.lda + from, g.lda, rows, depth, to);
}
inline void pack_bf16_b(const GemmArgs<float>& g, Index first, Index from, Index depth, Bf16Pair* to) {
  const Index columns = std::clamp<Index>(g.n - first, 0, bf16_lanes);
  if (!g.transpose_b) return pack_bf16_strip<false, true>(g.b + from * g.ldb + first, g.ldb, columns, depth, to);
  pack_bf16_strip<true, true>(g.b + (columns ? first : 0) * g.ldb + from, g.ldb, columns, depth, to);
}

/// One square of C; the part of it that C has, where it sticks out.
inline void bf16_square(Bf16Kernel kernel, const Bf16Pair* a, const Bf16Pair* b, Index tiles, const GemmArgs<float>& g,
                        Index row, Index column, bool add) {
  const Index rows = std::min(bf16_side, g.m - row), columns = std::min(bf16_side, g.n - column);
  float* c = g.c + row * g.ldc + column;
  if (rows == bf16_side && columns == bf16_side) return kernel(a, b, tiles, c, g.ldc, add);
  alignas(64) float square[bf16_side * bf16_side] = {};
  for (Index i = 0; add && i < rows; ++i) std::copy_n(c + i * g.ldc, columns, square + i * bf16_side);
  kernel(a, b, tiles, square, bf16_side, add);
  for (Index i = 0; i < rows; ++i) std::copy_n(square + i * bf16_side, columns, c + i * g.ldc);
}

/// A block of A that fits the second-level cache is packed by all threads; then each takes strips of B in turn, packs
/// one and multiplies the whole block by it while it is in the first. Blocks depend on the shape alone, and every
/// element of C is summed in order of k: no number of threads changes a bit.
inline void gemm_bf16(Bf16Unit unit, const GemmArgs<float>& g) {
  constexpr Index block_depth = 1024, block_pairs = 192 * 1024;
  const Bf16Kernel kernel = unit == Bf16Unit::amx ? bf16_block_amx : bf16_block_avx512;
  const auto up = [](Index size, Index step) { return (size + step - 1) / step * step; };
  const Index depth = std::min(block_depth, up(g.k, bf16_depth));
  const Index height =
      std::min(up(g.m, bf16_side), std::max<Index>(4, block_pairs / (depth / 2) / bf16_side) * bf16_side);
  const Storage<Bf16Pair, Cpu> packed(height * depth / 2);
  for (Index top = 0; top < g.m; top += height)
    for (Index from = 0; from < g.k; from += block_depth) {
      const Index inner = std::min(block_depth, g.k - from), tiles = up(inner, bf16_depth) / bf16_depth;
      const Index strips = up(std::min(height, g.m - top), bf16_side) / bf16_lanes, strip = tiles * bf16_tile;
      parallel_for(strips, 65536 / strip + 1, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i)
          pack_bf16_a(g, top + i * bf16_lanes, from, inner, packed.data() + i * strip);
      });
      const Index work = strips * strip * bf16_side;  // multiplications of pairs for a pair of B's strips
      parallel_for(up(g.n, bf16_side) / bf16_side, 1024 * 1024 / work + 1, [&](Index begin, Index end) {
        const Bf16Tiles configured(unit);
        Bf16Pair* const b = thread_scratch<Bf16Pair>(2 * strip);
        for (Index j = begin; j < end; ++j) {
          pack_bf16_b(g, j * bf16_side, from, inner, b);
          pack_bf16_b(g, j * bf16_side + bf16_lanes, from, inner, b + strip);
          for (Index i = 0; i < strips; i += 2)
            bf16_square(kernel, packed.data() + i * strip, b, tiles, g, top + i * bf16_lanes, j * bf16_side,
                        g.add || from > 0);
        }
      });
    }
}

}  // namespace cloze::kernels::detail
#endif
