// ContentHash: 128 bits that name a content: equal bytes, equal hash, on every platform. Not for secrets.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <cloze/core/error.hpp>

namespace cloze {

/// Takes bytes piece by piece; the pieces' bounds do not matter, but for add_text, which adds the length too. Two lanes
/// of multiply and rotate over words of eight bytes, and a finaliser that spreads every bit.
class ContentHash {
 public:
  using Value = std::array<std::uint64_t, 2>;

  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      word_ |= static_cast<std::uint64_t>(byte) << (8 * (size_ % 8));
      if (++size_ % 8 == 0) take_word();
    }
  }

  /// A text and its length, so that "ab", "c" differs from "a", "bc".
  void add_text(std::string_view text) {
    add_number(text.size());
    add(std::as_bytes(std::span(text.data(), text.size())));
  }

  void add_number(std::uint64_t number) {
    std::array<std::byte, 8> bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(number >> (8 * i));
    add(bytes);
  }

  Value value() const {
    ContentHash last = *this;
    last.take_word();
    const std::uint64_t a = spread(last.lanes_[0] ^ size_), b = spread(last.lanes_[1] + size_);
    return {spread(a + std::rotl(b, 17)), spread(b ^ std::rotl(a, 41))};
  }

  /// 32 hexadecimal digits.
  std::string hex() const {
    const Value found = value();
    return formatted("{:016x}{:016x}", found[0], found[1]);
  }

 private:
  void take_word() {
    lanes_[0] = std::rotl(lanes_[0] ^ (word_ * 0x87C37B91114253D5u), 27) * 0x9E3779B97F4A7C15u + 0x52DCE729u;
    lanes_[1] = std::rotl(lanes_[1] + (word_ ^ 0x4CF5AD432745937Fu), 31) * 0xC2B2AE3D27D4EB4Fu + lanes_[0];
    word_ = 0;
  }

  static constexpr std::uint64_t spread(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }

  Value lanes_{0x243F6A8885A308D3u, 0x13198A2E03707344u};
  std::uint64_t word_ = 0, size_ = 0;
};

}  // namespace cloze
