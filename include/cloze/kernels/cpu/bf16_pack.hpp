// Float matrices rounded to bf16 and packed into tiles of 16 rows by 64 bytes, as AMX and AVX512_BF16 want operands.
#pragma once

#include <algorithm>
#include <cstdint>

#include <cloze/core/ids.hpp>
#include <cloze/kernels/cpu/bf16_unit.hpp>

#ifdef CLOZE_BF16_KERNELS
#include <immintrin.h>

#define CLOZE_BF16_TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")))

namespace cloze::kernels::detail {

/// Two bf16 numbers that follow each other along k.
using Bf16Pair = std::uint32_t;

inline constexpr Index bf16_lanes = 16;  // rows, columns or pairs of a tile
inline constexpr Index bf16_depth = 32;  // numbers along k
inline constexpr Index bf16_tile = 256;  // pairs

/// Turns 16 rows of 16 pairs about the diagonal: four perfect shuffles.
CLOZE_BF16_TARGET inline void transpose_pairs(__m512i (&rows)[16]) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#pragma GCC unroll 4
  for (int stage = 0; stage < 4; ++stage) {
    __m512i next[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = _mm512_permutex2var_epi32(rows[i], low, rows[i + 8]);
      next[2 * i + 1] = _mm512_permutex2var_epi32(rows[i], high, rows[i + 8]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) rows[i] = next[i];
  }
}

/// Two vectors of floats as bf16, rounded to nearest even; numbers below the normal ones become zero.
CLOZE_BF16_TARGET inline __m512i rounded_pairs(__m512 low, __m512 high) {
  const auto rounded = _mm512_cvtne2ps_pbh(high, low);
  return reinterpret_cast<const __m512i&>(rounded);
}

/// The first `count` of 16 lanes.
inline std::uint16_t first_lanes(Index count) {
  return static_cast<std::uint16_t>((1u << std::clamp<Index>(count, 0, 16)) - 1);
}

/// Packs up to 16 rows of an operand (the rows of A, the columns of B) over `depth` numbers along k into tiles, one for
/// each 32 of them, zeros up to whole tiles. A tile's rows are the operand's, with 16 pairs along k each, or, where
/// `by_pairs`, the pairs, with the operand's 16 rows each: A is packed in the first way, B in the second.
/// @param from        k runs along the rows of the matrix (`along`), or down its columns
/// @param stride      between the rows of the matrix
template <bool along, bool by_pairs>
CLOZE_BF16_TARGET void pack_bf16_strip(const float* from, Index stride, Index rows, Index depth, Bf16Pair* to) {
  const __m512i pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (Index k = 0; k < depth; k += bf16_depth, to += bf16_tile) {
    __m512i tile[16];
    if constexpr (along) {
      const __mmask16 low = first_lanes(depth - k), high = first_lanes(depth - k - 16);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        const float* row = from + (i < rows ? i : 0) * stride + k;
        const __mmask16 there = i < rows ? 0xffff : 0;
        tile[i] = rounded_pairs(_mm512_maskz_loadu_ps(low & there, row),
                                _mm512_maskz_loadu_ps(high & there, high ? row + 16 : row));
      }
    } else {
      const __mmask16 there = first_lanes(rows);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        const bool even = k + 2 * i < depth, odd = k + 2 * i + 1 < depth;
        const float* row = from + (k + 2 * i) * stride;
        const __m512 first = even ? _mm512_maskz_loadu_ps(there, row) : _mm512_setzero_ps();
        const __m512 second = odd ? _mm512_maskz_loadu_ps(there, row + stride) : _mm512_setzero_ps();
        tile[i] = _mm512_permutexvar_epi16(pairs, rounded_pairs(first, second));
      }
    }
    if constexpr (along == by_pairs) transpose_pairs(tile);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_si512(to + i * bf16_lanes, tile[i]);
  }
}

}  // namespace cloze::kernels::detail
#endif
