#include <cloze/core/dtype.hpp>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "support/catch.hpp"

using namespace cloze;

namespace {

// The value of a 16-bit pattern by its definition, with no shortcut.
double by_definition(unsigned bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = static_cast<int>(bits & ((1u << fraction_bits) - 1));
  const double sign = bits & 0x8000u ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) return fraction ? std::nan("") : sign * HUGE_VAL;
  const double mantissa = std::ldexp(fraction, -fraction_bits) + (exponent ? 1 : 0);
  return sign * std::ldexp(mantissa, (exponent ? exponent : 1) - bias);
}

// The nearest pattern, ties to the even one, by searching the sorted values.
unsigned nearest(double x, const std::vector<double>& positive) {  // positive[i]: value of pattern i, last is infinity
  const double magnitude = std::abs(x);
  const auto last = positive.size() - 1;
  // Infinity stands where the next value would be, for rounding.
  const double beyond = 2 * positive[last - 1] - positive[last - 2];
  const auto at = [&](std::size_t i) { return i == last ? beyond : positive[i]; };
  std::size_t low = 0, high = last;
  while (high - low > 1) {
    const auto middle = (low + high) / 2;
    (at(middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - at(low), above = at(high) - magnitude;
  const auto best = above < below || (above == below && low % 2 == 1) ? high : low;
  return static_cast<unsigned>(best) | (std::signbit(x) ? 0x8000u : 0u);
}

std::vector<double> positive_values(int exponent_bits, int fraction_bits) {
  std::vector<double> values;
  const unsigned infinity = ((1u << exponent_bits) - 1) << fraction_bits;
  for (unsigned bits = 0; bits <= infinity; ++bits) values.push_back(by_definition(bits, exponent_bits, fraction_bits));
  return values;
}

template <class Half, class Check>
void for_interesting_numbers(int exponent_bits, int fraction_bits, Check check) {
  const auto values = positive_values(exponent_bits, fraction_bits);
  std::vector<double> numbers{0.0,
                              1e-320,
                              1e-46,
                              1e300,
                              HUGE_VAL,
                              std::numeric_limits<float>::max(),
                              std::numeric_limits<float>::denorm_min(),
                              65504.0,
                              65519.99,
                              65520.0,
                              65536.0};
  for (std::size_t i = 0; i + 2 < values.size(); ++i) {  // each value, each midpoint, and just beside both
    const double middle = (values[i] + values[i + 1]) / 2;
    for (const double x : {values[i], middle})
      for (const double y : {x, std::nextafter(x, HUGE_VAL), std::nextafter(x, 0.0),
                             double{std::nextafterf(static_cast<float>(x), HUGE_VALF)}})
        numbers.push_back(y);
  }
  std::mt19937_64 random(7);
  for (int i = 0; i < 100000; ++i)
    numbers.push_back(
        std::ldexp(1.0 + static_cast<double>(random() >> 12) * 0x1p-52, static_cast<int>(random() % 300) - 160));
  for (const double x : numbers)
    for (const double y : {x, -x}) check(y, nearest(y, values));
}

}  // namespace

TEST_CASE("every 16-bit pattern reads as its definition says") {
  for (unsigned bits = 0; bits < 0x10000u; ++bits) {
    const double half = by_definition(bits, 5, 10), brain = by_definition(bits, 8, 7);
    const auto found_half = to_float(Float16{static_cast<std::uint16_t>(bits)});
    const auto found_brain = to_float(BFloat16{static_cast<std::uint16_t>(bits)});
    if (std::isnan(half) ? !std::isnan(found_half) : found_half != half) FAIL("float16 pattern " << bits);
    if (std::isnan(brain) ? !std::isnan(found_brain) : found_brain != brain) FAIL("bfloat16 pattern " << bits);
    if (std::signbit(found_half) != (bits >= 0x8000u)) FAIL("sign of float16 pattern " << bits);
    // And back: the pattern itself, but that NaN becomes quiet.
    if (!std::isnan(half) && to_float16(found_half).bits != bits) FAIL("float16 round trip of " << bits);
    if (!std::isnan(brain) && to_bfloat16(found_brain).bits != bits) FAIL("bfloat16 round trip of " << bits);
    if (std::isnan(half) && to_float16(found_half).bits != (bits | 0x200u)) FAIL("float16 NaN " << bits);
    if (std::isnan(brain) && to_bfloat16(found_brain).bits != (bits | 0x40u)) FAIL("bfloat16 NaN " << bits);
  }
  CHECK(to_float(Float16{0x0001}) == 0x1p-24f);
  CHECK(to_float(BFloat16{std::uint16_t{0x3F80}}) == 1.0f);
}

TEST_CASE("rounding to float16 is to nearest, ties to even, from float and straight from double") {
  int wrong = 0;
  for_interesting_numbers<Float16>(5, 10, [&](double x, unsigned wanted) {
    wrong += to_float16(x).bits != wanted;
    const auto narrow = static_cast<float>(x);
    if (static_cast<double>(narrow) == x) wrong += to_float16(narrow).bits != wanted;
  });
  CHECK(wrong == 0);
  // Through float first, this one would be rounded twice and end on the other side.
  const double tricky = 1.0 + 0x1p-11 + 0x1p-40;
  CHECK(to_float16(tricky).bits == 0x3C01);
  CHECK(to_float16(static_cast<float>(tricky)).bits == 0x3C00);
}

TEST_CASE("rounding to bfloat16 is to nearest, ties to even, from float and straight from double") {
  int wrong = 0;
  for_interesting_numbers<BFloat16>(8, 7, [&](double x, unsigned wanted) {
    wrong += to_bfloat16(x).bits != wanted;
    const auto narrow = static_cast<float>(x);
    if (static_cast<double>(narrow) == x) wrong += to_bfloat16(narrow).bits != wanted;
  });
  CHECK(wrong == 0);
}

TEST_CASE("dtype names and sizes are those of safetensors") {
  const std::vector<std::tuple<Dtype, std::string, Index>> table{
      {Dtype::f64, "F64", 8},   {Dtype::f32, "F32", 4}, {Dtype::f16, "F16", 2},
      {Dtype::bf16, "BF16", 2}, {Dtype::i64, "I64", 8}, {Dtype::i32, "I32", 4},
      {Dtype::i8, "I8", 1},     {Dtype::u8, "U8", 1},   {Dtype::boolean, "BOOL", 1}};
  for (const auto& [dtype, name, size] : table) {
    CHECK(dtype_name(dtype) == name);
    CHECK(dtype_from_name(name) == dtype);
    CHECK(dtype_size(dtype) == size);
  }
  CHECK_FALSE(dtype_from_name("F8_E4M3"));
  CHECK_FALSE(dtype_from_name(""));
  CHECK_FALSE(dtype_from_name("f32"));
}

TEST_CASE("converting a range equals converting each element") {
  for (const Index size : {0, 1, 3, 16, 17, 1000}) {
    std::vector<float> from(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = std::sin(static_cast<float>(i)) * 100;
    std::vector<BFloat16> brain(from.size());
    std::vector<double> back(from.size());
    convert(from.data(), brain.data(), size);
    convert(brain.data(), back.data(), size);
    for (std::size_t i = 0; i < from.size(); ++i) {
      REQUIRE(brain[i].bits == to_bfloat16(from[i]).bits);
      REQUIRE(back[i] == to_float(brain[i]));
    }
  }
}
