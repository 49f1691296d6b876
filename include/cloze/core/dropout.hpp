// Dropout as a pure function of (key, place): nothing is stored, every device draws the same bits, and a row draws the
// same bits whether it is computed alone or among all the others.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/philox.hpp>

namespace cloze {

/// Drops each value with probability p and scales the others, so that the mean stays. One fresh key per call of an
/// operation: `Dropout{0.1, rng.next_u64()}`. p = 0 does nothing.
struct Dropout {
  double p = 0;
  std::uint64_t key = 0;
};

/// What kernels see of a Dropout. Decisions take 16 bits: a value is kept where its bits are below `threshold`, and
/// kept values are scaled by the true keep probability, threshold / 65536, not by 1 - p.
struct DropoutRule {
  static constexpr std::uint32_t always = 65536;

  std::uint32_t threshold = always;
  double scale = 1;
  std::array<std::uint32_t, 2> key{};

  bool active() const { return threshold != always; }
};

/// Throws [cloze.dropout.1] where p is not in [0, 1). Where p rounds to 0 of 65536 nothing is dropped; at least 1 of
/// 65536 is kept.
inline DropoutRule dropout_rule(const Dropout& dropout) {
  require(dropout.p >= 0 && dropout.p < 1, "cloze.dropout.1", "dropout probability {}: wanted 0 <= p < 1", dropout.p);
  DropoutRule rule;
  rule.threshold = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(std::lround((1 - dropout.p) * 65536)));
  rule.scale = 65536.0 / rule.threshold;
  rule.key = {static_cast<std::uint32_t>(dropout.key), static_cast<std::uint32_t>(dropout.key >> 32)};
  return rule;
}

/// Rounds of Philox that dropout draws with: the fewest that pass the statistical tests.
inline constexpr int dropout_rounds = 7;

/// How the rows of a matrix draw. One Philox call yields eight decisions; they lie 16 columns apart, so that 16 calls
/// side by side fill 128 neighbouring columns with vector code.
struct RowDropout {
  static constexpr Index lanes = 16;
  static constexpr Index block = 128;  // columns that 16 calls fill

  /// The 16 random bits of one element.
  static constexpr std::uint32_t bits(const DropoutRule& rule, Index row, Index column) {
    const auto call = static_cast<std::uint64_t>(column / block * lanes + column % lanes);
    const auto place = static_cast<std::uint64_t>(row);
    const auto words =
        philox4x32<dropout_rounds>({static_cast<std::uint32_t>(call), static_cast<std::uint32_t>(call >> 32),
                                    static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(place >> 32)},
                                   rule.key);
    const auto decision = static_cast<std::size_t>(column % block / lanes);
    return words[decision / 2] >> (decision % 2 * 16) & 0xFFFF;
  }
  static constexpr bool keeps(const DropoutRule& rule, Index row, Index column) {
    return bits(rule, row, column) < rule.threshold;
  }
};

/// How attention probabilities draw: one Philox call serves eight query positions at one key position. Positions count
/// within their sequence, from -2^31 to 2^31.
struct AttentionDropout {
  static constexpr Index rows = 8;  // query positions that one call serves

  /// Which of the calls serves a query position, and which of its decisions: negative ones go on where positive ones
  /// end.
  static constexpr Index group(Index query) { return static_cast<Index>(static_cast<std::uint32_t>(query)) / rows; }
  static constexpr Index place(Index query) { return static_cast<Index>(static_cast<std::uint32_t>(query)) % rows; }

  static constexpr std::uint32_t bits(const DropoutRule& rule, Index sequence, Index head, Index query, Index key) {
    const auto words =
        philox4x32<dropout_rounds>({static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(group(query)),
                                    static_cast<std::uint32_t>(sequence), static_cast<std::uint32_t>(head)},
                                   rule.key);
    const auto decision = static_cast<std::size_t>(place(query));
    return words[decision / 2] >> (decision % 2 * 16) & 0xFFFF;
  }
  static constexpr bool keeps(const DropoutRule& rule, Index sequence, Index head, Index query, Index key) {
    return bits(rule, sequence, head, query, key) < rule.threshold;
  }
};

}  // namespace cloze
