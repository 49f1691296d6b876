// Dropout's random bits on Cpu: sixteen Philox calls side by side, in loops that compilers turn into vector code.
#pragma once

#include <algorithm>
#include <cstdint>

#include <cloze/core/dropout.hpp>

namespace cloze::kernels {

/// The four words of sixteen calls, words apart: word[w][lane].
struct PhiloxLanes {
  static constexpr int lanes = 16;
  alignas(64) std::uint32_t word[4][lanes];
};

/// Calls Philox at counters {first + lane, c1, c2, c3}.
inline void philox_lanes(std::uint32_t first, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3,
                         std::array<std::uint32_t, 2> key, PhiloxLanes& out) {
  constexpr int lanes = PhiloxLanes::lanes;
  alignas(64) std::uint32_t a[lanes], b[lanes], c[lanes], d[lanes];
  for (int i = 0; i < lanes; ++i) {
    a[i] = first + static_cast<std::uint32_t>(i);
    b[i] = c1;
    c[i] = c2;
    d[i] = c3;
  }
  for (int round = 0; round < dropout_rounds; ++round) {
    for (int i = 0; i < lanes; ++i) {
      const std::uint64_t p = std::uint64_t{0xD2511F53u} * a[i], q = std::uint64_t{0xCD9E8D57u} * c[i];
      a[i] = static_cast<std::uint32_t>(q >> 32) ^ b[i] ^ key[0];
      b[i] = static_cast<std::uint32_t>(q);
      c[i] = static_cast<std::uint32_t>(p >> 32) ^ d[i] ^ key[1];
      d[i] = static_cast<std::uint32_t>(p);
    }
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  std::copy_n(a, lanes, out.word[0]);
  std::copy_n(b, lanes, out.word[1]);
  std::copy_n(c, lanes, out.word[2]);
  std::copy_n(d, lanes, out.word[3]);
}

/// Writes 0 or the scale for each of sixteen decisions: the low or (high = true) the high halves of sixteen words.
template <class T>
void dropout_factors(const std::uint32_t* words, bool high, const DropoutRule& rule, T* factors) {
  const int shift = high ? 16 : 0;
  const auto threshold = static_cast<std::int32_t>(rule.threshold);
  const T scale = static_cast<T>(rule.scale);
  for (int i = 0; i < PhiloxLanes::lanes; ++i)
    factors[i] = static_cast<std::int32_t>(words[i] >> shift & 0xFFFF) < threshold ? scale : T(0);
}

/// Room that row_dropout_factors needs for a row of so many columns.
inline Index row_factors_size(Index columns) {
  return (columns + RowDropout::block - 1) / RowDropout::block * RowDropout::block;
}

/// Writes 0 or the scale for every column of a row (and beyond, up to row_factors_size).
template <class T>
void row_dropout_factors(const DropoutRule& rule, Index row, Index columns, T* factors) {
  static_assert(RowDropout::lanes == PhiloxLanes::lanes);
  PhiloxLanes bits;
  const auto place = static_cast<std::uint64_t>(row);
  for (Index from = 0; from < columns; from += RowDropout::block) {
    const auto call = static_cast<std::uint64_t>(from / RowDropout::block * RowDropout::lanes);
    philox_lanes(static_cast<std::uint32_t>(call), static_cast<std::uint32_t>(call >> 32),
                 static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(place >> 32), rule.key, bits);
    for (int d = 0; d < 8; ++d)
      dropout_factors(bits.word[d / 2], d % 2 != 0, rule, factors + from + d * PhiloxLanes::lanes);
  }
}

}  // namespace cloze::kernels
