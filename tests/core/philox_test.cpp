#include <cloze/core/philox.hpp>

#include "support/catch.hpp"

using Counter = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;
constexpr std::uint32_t all = 0xFFFFFFFFu;

// Known answers published with Random123 (kat_vectors).
TEST_CASE("philox4x32 with 10 rounds gives the published answers") {
  CHECK(cloze::philox4x32<10>(Counter{0, 0, 0, 0}, Key{0, 0}) ==
        Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(cloze::philox4x32<10>(Counter{all, all, all, all}, Key{all, all}) ==
        Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(cloze::philox4x32<10>(Counter{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, Key{0xa4093822, 0x299f31d0}) ==
        Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("philox4x32 with 7 rounds gives the published answers") {
  CHECK(cloze::philox4x32<7>(Counter{0, 0, 0, 0}, Key{0, 0}) ==
        Counter{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48});
  CHECK(cloze::philox4x32<7>(Counter{all, all, all, all}, Key{all, all}) ==
        Counter{0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662});
  CHECK(cloze::philox4x32<7>(Counter{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, Key{0xa4093822, 0x299f31d0}) ==
        Counter{0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a});
}

TEST_CASE("philox4x32 can be evaluated while compiling") {
  constexpr auto words = cloze::philox4x32<10>(Counter{0, 0, 0, 0}, Key{0, 0});
  static_assert(words[0] == 0x6627e8d5);
  CHECK(words[3] == 0x9b00dbd8);
}
