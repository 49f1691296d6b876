// Philox4x32: the counter-based generator as a bare function, for kernels that draw from (key, counter) and store
// nothing. Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>

namespace cloze {

/// Four random words for one counter value under one key. Equal arguments give equal words on every machine.
/// Rounds: 10 is the recommended strength, 7 the least that passes the statistical tests of the paper.
template <int Rounds = 10>
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  static_assert(Rounds >= 7 && Rounds <= 16, "philox4x32 needs 7 to 16 rounds");
  for (int round = 0; round < Rounds; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(second),
               static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(first)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

}  // namespace cloze
