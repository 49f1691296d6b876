// MD5 (RFC 1321), only to compare files with published sums.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/core.h>

namespace cloze::test {

inline std::string md5(std::string_view bytes) {
  constexpr std::array<int, 16> turns{7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
  std::array<std::uint32_t, 4> state{0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u};
  std::string text(bytes);
  text += '\x80';
  while (text.size() % 64 != 56) text += '\0';
  for (int i = 0; i < 8; ++i) text += static_cast<char>((std::uint64_t{bytes.size()} * 8) >> (8 * i));
  for (std::size_t block = 0; block < text.size(); block += 64) {
    std::array<std::uint32_t, 16> word{};
    for (std::size_t i = 0; i < 64; ++i)
      word[i / 4] |= std::uint32_t{static_cast<unsigned char>(text[block + i])} << (8 * (i % 4));
    auto [a, b, c, d] = state;
    for (std::uint32_t i = 0; i < 64; ++i) {
      std::uint32_t f = 0, g = 0;
      switch (i / 16) {
        case 0:
          f = (b & c) | (~b & d), g = i;
          break;
        case 1:
          f = (d & b) | (~d & c), g = (5 * i + 1) % 16;
          break;
        case 2:
          f = b ^ c ^ d, g = (3 * i + 5) % 16;
          break;
        default:
          f = c ^ (b | ~d), g = (7 * i) % 16;
          break;
      }
      const auto sine = static_cast<std::uint32_t>(std::floor(std::abs(std::sin(i + 1.0)) * 4294967296.0));
      const std::uint32_t sum = a + f + sine + word[g];
      a = d, d = c, c = b;
      b += std::rotl(sum, turns[4 * (i / 16) + i % 4]);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  }
  std::string hex;
  for (const std::uint32_t part : state)
    for (int i = 0; i < 4; ++i) hex += fmt::format("{:02x}", (part >> (8 * i)) & 0xFF);
  return hex;
}

}  // namespace cloze::test
