// Random numbers: one value type over Philox4x32-10, named streams, own mapping from bits to numbers.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/philox.hpp>

namespace cloze {

/// All of a generator: enough to go on where it stood.
struct RngState {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;    // which sequence under this seed; 0 is the unnamed one
  std::uint64_t position = 0;  // 32-bit words drawn so far

  friend bool operator==(const RngState&, const RngState&) = default;
};

/// A random sequence, fixed by (seed, stream): the same bits on every platform, compiler and standard library.
/// Copies are independent and continue alike. One stream per purpose: `rng.stream("dropout")`, `rng.stream("demos")`.
class Rng {
 public:
  /// An empty name is the seed's unnamed stream; otherwise the same as Rng(seed).stream(name).
  explicit Rng(std::uint64_t seed, std::string_view stream = "")
      : state_{seed, stream.empty() ? 0 : derive(0, stream), 0} {}

  explicit Rng(const RngState& state) : state_(state) {
    if (state_.position % 4 != 0) fill();
  }

  /// The stream of this name below this one, from its start; neither reads nor moves this generator's position.
  Rng stream(std::string_view name) const { return Rng(RngState{state_.seed, derive(state_.stream, name), 0}); }

  const RngState& state() const noexcept { return state_; }

  std::uint32_t next_u32() {
    const auto word = static_cast<std::size_t>(state_.position % 4);
    if (word == 0) fill();
    ++state_.position;
    return block_[word];
  }

  /// The first word drawn is the high half.
  std::uint64_t next_u64() {
    const std::uint64_t high = next_u32();
    return (high << 32) | next_u32();
  }

  /// Uniform in [0, n), without bias: what does not divide evenly is drawn again. Throws [cloze.rng.1] where n is 0.
  std::uint64_t below(std::uint64_t n) {
    require(n > 0, "cloze.rng.1", "cannot draw below 0: the range is empty");
    if (n <= 0xFFFFFFFFu) {  // Lemire: "Fast random integer generation in an interval", 2019
      const auto range = static_cast<std::uint32_t>(n);
      const std::uint32_t rejected = (0u - range) % range;
      std::uint64_t product = std::uint64_t{next_u32()} * range;
      while (static_cast<std::uint32_t>(product) < rejected) product = std::uint64_t{next_u32()} * range;
      return product >> 32;
    }
    const std::uint64_t rejected = (0u - n) % n;
    std::uint64_t draw = next_u64();
    while (draw < rejected) draw = next_u64();
    return draw % n;
  }

  /// Uniform in [0, 1): a multiple of 2^-53.
  double uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

  /// Standard normal by Box and Muller's cosine; draws exactly four words, so the position stays predictable.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586476925286766559 * uniform());
  }

  /// Every order equally likely (Fisher and Yates, from the back).
  template <class T>
  void shuffle(std::span<T> values) {
    for (std::size_t i = values.size(); i > 1; --i) {
      using std::swap;
      swap(values[i - 1], values[static_cast<std::size_t>(below(i))]);
    }
  }

  template <class T>
  void shuffle(std::vector<T>& values) {
    shuffle(std::span<T>(values.data(), values.size()));
  }

  /// 0 … n-1 in random order. Throws [cloze.rng.1] where n is negative.
  std::vector<Index> permutation(Index n) {
    require(n >= 0, "cloze.rng.1", "cannot permute {} elements", n);
    std::vector<Index> order(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = i;
    shuffle(order);
    return order;
  }

 private:
  // FNV-1a over the parent and the name, then a finaliser that spreads every bit; never 0, the unnamed stream.
  static constexpr std::uint64_t derive(std::uint64_t parent, std::string_view name) {
    std::uint64_t hash = 0xCBF29CE484222325u;
    for (int byte = 0; byte < 8; ++byte) hash = (hash ^ ((parent >> (8 * byte)) & 0xFF)) * 0x100000001B3u;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
    hash ^= hash >> 31;
    return hash == 0 ? 1 : hash;
  }

  void fill() {
    const std::uint64_t block = state_.position / 4;
    block_ =
        philox4x32<10>({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                        static_cast<std::uint32_t>(state_.stream), static_cast<std::uint32_t>(state_.stream >> 32)},
                       {static_cast<std::uint32_t>(state_.seed), static_cast<std::uint32_t>(state_.seed >> 32)});
  }

  RngState state_;
  std::array<std::uint32_t, 4> block_{};
};

}  // namespace cloze
