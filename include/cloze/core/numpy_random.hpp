// numpy's legacy RandomState, bit for bit: MT19937 and the mappings that `numpy.random.seed(s)` code of the literature
// used. For reproducing published splits and draws; cloze's own randomness is core/rng.hpp.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

/// The Mersenne twister (Matsumoto and Nishimura, 1998), seeded by one 32-bit integer as init_genrand does.
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed) {
    key_[0] = seed;
    for (std::uint32_t i = 1; i < size; ++i) key_[i] = 1812433253u * (key_[i - 1] ^ (key_[i - 1] >> 30)) + i;
  }

  std::uint32_t next_u32() {
    if (position_ == size) twist();
    std::uint32_t y = key_[position_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9D2C5680u;
    y ^= (y << 15) & 0xEFC60000u;
    return y ^ (y >> 18);
  }

  /// The first word drawn is the high half.
  std::uint64_t next_u64() {
    const std::uint64_t high = next_u32();
    return (high << 32) | next_u32();
  }

  /// random_sample(): uniform in [0, 1), 53 bits of two words.
  double random_sample() {
    const std::uint32_t high = next_u32() >> 5;
    const std::uint32_t low = next_u32() >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

  /// Uniform in [0, max], max included: masked rejection, on 32-bit draws wherever max fits into 32 bits.
  std::uint64_t interval(std::uint64_t max) {
    if (max == 0) return 0;  // draws nothing, as in numpy
    const std::uint64_t mask = ~std::uint64_t{0} >> std::countl_zero(max);
    std::uint64_t draw = 0;
    do {
      draw = (max <= 0xFFFFFFFFu ? next_u32() : next_u64()) & mask;
    } while (draw > max);
    return draw;
  }

  /// randint(low, high): uniform in [low, high). Throws [cloze.rng.2] where the range is empty.
  std::int64_t randint(std::int64_t low, std::int64_t high) {
    require(low < high, "cloze.rng.2", "randint({}, {}): the range is empty, low must be below high", low, high);
    const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) - 1;
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + interval(range));
  }

  /// shuffle(list): in place.
  template <class T>
  void shuffle(std::span<T> values) {
    for (std::size_t i = values.size(); i-- > 1;) {
      using std::swap;
      const auto j = static_cast<std::size_t>(interval(i));
      if (i != j) swap(values[i], values[j]);
    }
  }

  template <class T>
  void shuffle(std::vector<T>& values) {
    shuffle(std::span<T>(values));
  }

  /// permutation(n): 0 … n-1 in random order. Throws [cloze.rng.2] where n is negative.
  std::vector<Index> permutation(Index n) {
    require(n >= 0, "cloze.rng.2", "permutation({}): the count is negative", n);
    std::vector<Index> order(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = i;
    shuffle(order);
    return order;
  }

  /// choice(n, count, replace=False): `count` different values below n. Throws [cloze.rng.2] where there are not so
  /// many.
  std::vector<Index> choice(Index n, Index count) {
    require(n >= 0 && count >= 0 && count <= n, "cloze.rng.2", "choice({}, {}) without replacement: not so many values",
            n, count);
    std::vector<Index> order = permutation(n);
    order.resize(static_cast<std::size_t>(count));
    return order;
  }

 private:
  static constexpr std::uint32_t size = 624;
  static constexpr std::uint32_t middle = 397;

  void twist() {
    for (std::uint32_t i = 0; i < size; ++i) {
      const std::uint32_t y = (key_[i] & 0x80000000u) | (key_[(i + 1) % size] & 0x7FFFFFFFu);
      key_[i] = key_[(i + middle) % size] ^ (y >> 1) ^ ((y & 1u) != 0 ? 0x9908B0DFu : 0u);
    }
    position_ = 0;
  }

  std::array<std::uint32_t, size> key_{};
  std::uint32_t position_ = size;
};

}  // namespace cloze
