#include <cloze/core/error.hpp>
#include <cloze/tensor/shape.hpp>

#include <cstdint>
#include <limits>

#include "support/catch.hpp"

using namespace cloze;

TEST_CASE("messages take every type of argument as fmt does") {
  const std::string text = "text";
  const char* pointer = "pointer";
  char array[8] = "array";
  CHECK(formatted("nothing") == "nothing");
  CHECK(formatted("{} {} {} {} {}", text, std::string_view(text).substr(1), pointer, "literal", array) ==
        "text ext pointer literal array");
  CHECK(formatted("{:>6}|{:<6}|{:.2}", text, "a", "literal") == "  text|a     |li");
  CHECK(formatted("{} {}", true, 'c') == "true c");
  CHECK(formatted("{} {} {}", std::int8_t{-128}, std::uint8_t{255}, std::int16_t{-32768}) == "-128 255 -32768");
  CHECK(formatted("{} {}", INT32_MIN, UINT32_MAX) == "-2147483648 4294967295");
  CHECK(formatted("{} {}", INT64_MIN, UINT64_MAX) == "-9223372036854775808 18446744073709551615");
  CHECK(formatted("{} {}", std::numeric_limits<long long>::min(), std::numeric_limits<unsigned long long>::max()) ==
        "-9223372036854775808 18446744073709551615");
  CHECK(formatted("0x{:02x} {:+d} {:05}", std::uint8_t{10}, 3, -42) == "0x0a +3 -0042");
  CHECK(formatted("{} {} {:.3f}", 0.1f, 0.1, 2.0) == "0.1 0.1 2.000");
  CHECK(formatted("{1} {0} {1}", 1, "two") == "two 1 two");
  CHECK(formatted("{} {}", Shape{2, 3}, Shape()) == Shape{2, 3}.text() + " " + Shape().text());
}

TEST_CASE("an error begins with its id, and require throws only where it must") {
  REQUIRE_NOTHROW(require(true, "cloze.test.1", "{}", 1));
  try {
    require(false, "cloze.test.1", "{}: wanted {}, found {}", std::string("here"), 3, -1.5);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.id() == "cloze.test.1");
    CHECK(std::string(error.what()) == "[cloze.test.1] here: wanted 3, found -1.5");
  }
  CHECK_THROWS_WITH(fail("cloze.test.2", "braces {{}} stay"), "[cloze.test.2] braces {} stay");
}
