// Dropout's random bits on Cpu: sixteen Philox calls side by side.
#pragma once

#include <cstdint>

#include <xsimd/xsimd.hpp>

#include <cloze/core/dropout.hpp>

namespace cloze::kernels {

/// The four words of sixteen calls, words apart: word[w][lane].
struct PhiloxLanes {
  static constexpr int lanes = 16;
  alignas(64) std::uint32_t word[4][lanes];
};

namespace detail {

using Words = xsimd::batch<std::uint64_t>;

/// The products of the low halves of 64-bit lanes; what the high halves hold does not matter.
inline Words multiply_low_halves(Words a, Words b) {
#if defined(__AVX512F__)
  return _mm512_mul_epu32(a, b);
#elif defined(__AVX2__)
  return _mm256_mul_epu32(a, b);
#elif defined(__SSE2__) && !defined(__AVX__)
  return _mm_mul_epu32(a, b);
#elif defined(__aarch64__)
  return vmull_u32(vmovn_u64(a), vmovn_u64(b));
#else
  alignas(64) std::uint64_t x[Words::size], y[Words::size];
  a.store_aligned(x);
  b.store_aligned(y);
  for (std::size_t i = 0; i < Words::size; ++i) x[i] = (x[i] & 0xFFFFFFFFu) * (y[i] & 0xFFFFFFFFu);
  return Words::load_aligned(x);
#endif
}

}  // namespace detail

/// Calls Philox at counters {first + lane, c1, c2, c3}. Each word sits in the low half of a 64-bit lane, where the
/// products need it; even and odd calls run apart and are put together at the end.
inline void philox_lanes(std::uint32_t first, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3,
                         std::array<std::uint32_t, 2> key, PhiloxLanes& out) {
  using detail::Words;
  constexpr int half = static_cast<int>(Words::size);
  alignas(64) static constexpr std::uint64_t evens[8] = {0, 2, 4, 6, 8, 10, 12, 14};
  const Words m0(std::uint64_t{0xD2511F53u}), m1(std::uint64_t{0xCD9E8D57u}), low(std::uint64_t{0xFFFFFFFFu});
  for (int at = 0; at < PhiloxLanes::lanes; at += 2 * half) {
    Words a[2], b[2], c[2], d[2];
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; ++odd) {
      // first + lane wraps within the low half; a carry into the high half does no harm.
      a[odd] = Words::load_aligned(evens) + Words(std::uint64_t{first} + static_cast<std::uint64_t>(at + odd));
      b[odd] = Words(std::uint64_t{c1});
      c[odd] = Words(std::uint64_t{c2});
      d[odd] = Words(std::uint64_t{c3});
    }
    std::uint32_t k0 = key[0], k1 = key[1];
#pragma GCC unroll 8
    for (int round = 0; round < dropout_rounds; ++round) {
#pragma GCC unroll 2
      for (int odd = 0; odd < 2; ++odd) {
        const Words p = detail::multiply_low_halves(a[odd], m0), q = detail::multiply_low_halves(c[odd], m1);
        a[odd] = (q >> 32) ^ b[odd] ^ Words(std::uint64_t{k0});
        b[odd] = q;
        c[odd] = (p >> 32) ^ d[odd] ^ Words(std::uint64_t{k1});
        d[odd] = p;
      }
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const Words* const results[4] = {a, b, c, d};
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w)
      ((results[w][0] & low) | (results[w][1] << 32)).store_aligned(reinterpret_cast<std::uint64_t*>(out.word[w] + at));
  }
}

/// Factors of consecutive lanes: 0 or the scale, from the low or (high = true) the high halves of their words.
template <class T>
xsimd::batch<T> dropout_factors(const std::uint32_t* words, bool high, const DropoutRule& rule) {
  using B = xsimd::batch<T>;
  const int shift = high ? 16 : 0;
  if constexpr (sizeof(T) == 4) {
    using I = xsimd::batch<std::int32_t>;
    const I bits = (xsimd::bitwise_cast<I>(xsimd::batch<std::uint32_t>::load_unaligned(words)) >> shift) & I(0xFFFF);
    const I kept = (bits - I(static_cast<std::int32_t>(rule.threshold))) >> 31;  // all ones or zeros
    return xsimd::bitwise_cast<B>(kept & xsimd::bitwise_cast<I>(B(static_cast<T>(rule.scale))));
  } else {
    alignas(64) T factors[B::size];
    for (std::size_t i = 0; i < B::size; ++i)
      factors[i] = (words[i] >> shift & 0xFFFF) < rule.threshold ? static_cast<T>(rule.scale) : T(0);
    return B::load_aligned(factors);
  }
}

/// Room that row_dropout_factors needs for a row of so many columns.
inline Index row_factors_size(Index columns) {
  return (columns + RowDropout::block - 1) / RowDropout::block * RowDropout::block;
}

/// Writes 0 or the scale for every column of a row (and beyond, up to row_factors_size).
template <class T>
void row_dropout_factors(const DropoutRule& rule, Index row, Index columns, T* factors) {
  static_assert(RowDropout::lanes == PhiloxLanes::lanes);
  constexpr Index width = static_cast<Index>(xsimd::batch<T>::size);
  static_assert(PhiloxLanes::lanes % width == 0);
  PhiloxLanes bits;
  const auto place = static_cast<std::uint64_t>(row);
  for (Index from = 0; from < columns; from += RowDropout::block) {
    const auto call = static_cast<std::uint64_t>(from / RowDropout::block * RowDropout::lanes);
    philox_lanes(static_cast<std::uint32_t>(call), static_cast<std::uint32_t>(call >> 32),
                 static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(place >> 32), rule.key, bits);
    for (int decision = 0; decision < 8; ++decision)
      for (Index i = 0; i < PhiloxLanes::lanes; i += width)
        dropout_factors<T>(bits.word[decision / 2] + i, decision % 2 != 0, rule)
            .store_unaligned(factors + from + decision * PhiloxLanes::lanes + i);
  }
}

}  // namespace cloze::kernels
