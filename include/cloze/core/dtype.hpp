// Element types of stored tensors, and exact conversions between double, float and the two 16-bit formats.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include <cloze/core/ids.hpp>

namespace cloze {

/// How an element is stored in a file. Tensors compute in double or float; the rest is storage.
enum class Dtype : std::uint8_t { f64, f32, f16, bf16, i64, i32, i8, u8, boolean };

namespace detail {
struct DtypeRow {
  std::string_view name;
  int bytes;
};
inline constexpr std::array<DtypeRow, 9> dtype_rows{
    {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"I8", 1}, {"U8", 1}, {"BOOL", 1}}};
}  // namespace detail

/// The name that safetensors gives it: "F32".
constexpr std::string_view dtype_name(Dtype dtype) { return detail::dtype_rows[static_cast<std::size_t>(dtype)].name; }

/// Bytes of one element.
constexpr Index dtype_size(Dtype dtype) { return detail::dtype_rows[static_cast<std::size_t>(dtype)].bytes; }

/// The inverse of dtype_name; nothing where the name is unknown.
constexpr std::optional<Dtype> dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < detail::dtype_rows.size(); ++i)
    if (detail::dtype_rows[i].name == name) return static_cast<Dtype>(i);
  return std::nullopt;
}

constexpr bool is_floating(Dtype dtype) { return dtype <= Dtype::bf16; }

/// IEEE 754 binary16, as stored: 1 sign, 5 exponent and 10 fraction bits.
struct Float16 {
  std::uint16_t bits;
};

/// The upper half of a float: 1 sign, 8 exponent and 7 fraction bits. Tensors on Cuda may have elements of this type;
/// it has no arithmetic: what computes with them does so in Compute<BFloat16>.
struct BFloat16 {
  std::uint16_t bits;

  BFloat16() = default;
  constexpr explicit BFloat16(std::uint16_t stored) : bits(stored) {}
  /// The nearest one.
  template <std::floating_point F>
  explicit BFloat16(F x);
  template <std::floating_point F>
  explicit operator F() const;
  // A number or the bits of one? Say which.
  BFloat16(int) = delete;

  /// As numbers.
  friend bool operator==(BFloat16 a, BFloat16 b) { return static_cast<float>(a) == static_cast<float>(b); }
};

/// What is computed in, and what sums and statistics are kept in, for elements stored as T: float for the 16-bit
/// formats.
template <class T>
using Compute = std::conditional_t<sizeof(T) == 2, float, T>;

// The conversions below select instead of branching, so that loops over them become vector code. They are exact or
// rounded to nearest, ties to even; NaN stays a (quiet) NaN of the same sign; what is too large becomes infinite.

inline float to_float(BFloat16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }

inline float to_float(Float16 x) {
  const std::uint32_t sign = (std::uint32_t{x.bits} & 0x8000u) << 16, magnitude = x.bits & 0x7FFFu;
  const auto subnormal =
      std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f);
  const std::uint32_t normal = (magnitude << 13) + (112u << 23);
  const std::uint32_t special = (magnitude << 13) | 0x7F800000u | (magnitude > 0x7C00u ? 0x400000u : 0u);
  const std::uint32_t finite = magnitude < 0x400u ? subnormal : normal;
  return std::bit_cast<float>(sign | (magnitude >= 0x7C00u ? special : finite));
}

inline BFloat16 to_bfloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t nan = (bits >> 16) | 0x40u;
  return BFloat16(static_cast<std::uint16_t>((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded));
}

inline Float16 to_float16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t shifted = magnitude - (112u << 23);
  const std::uint32_t normal = (shifted + 0xFFFu + ((shifted >> 13) & 1u)) >> 13;
  // One unit in the last place of 0.5 is that of the subnormals: the addition does the rounding.
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<std::uint32_t>(0.5f);
  const std::uint32_t nan = 0x7E00u | ((magnitude >> 13) & 0x3FFu);
  const std::uint32_t special = magnitude > 0x7F800000u ? nan : 0x7C00u;
  const std::uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;
  return {static_cast<std::uint16_t>(sign | (magnitude >= 0x47800000u ? special : finite))};
}

namespace detail {

/// A float whose later rounding to fewer bits gives what rounding the double at once would: rounded towards zero, its
/// last bit set where that lost anything (Boldo, Melquiond: "Emulation of a FMA and correctly rounded sums", 2008).
inline float round_to_odd(double x) {
  const auto nearest = static_cast<float>(x);
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::isnan(x) || static_cast<double>(nearest) == x) return nearest;
  if (std::abs(static_cast<double>(nearest)) > std::abs(x)) --bits;
  return std::bit_cast<float>(bits | 1u);
}

}  // namespace detail

/// Rounded once, straight from the double.
inline BFloat16 to_bfloat16(double x) { return to_bfloat16(detail::round_to_odd(x)); }
inline Float16 to_float16(double x) { return to_float16(detail::round_to_odd(x)); }

template <std::floating_point F>
BFloat16::BFloat16(F x) : BFloat16(to_bfloat16(x)) {}
template <std::floating_point F>
BFloat16::operator F() const {
  return static_cast<F>(to_float(*this));
}

/// One element as a To: double, float, Float16, BFloat16 or an integer type.
template <class To, class From>
To convert(From x) {
  if constexpr (std::same_as<To, From>) {
    return x;
  } else if constexpr (std::same_as<From, Float16> || std::same_as<From, BFloat16>) {
    return convert<To>(to_float(x));
  } else if constexpr (std::same_as<To, Float16>) {
    return to_float16(x);
  } else if constexpr (std::same_as<To, BFloat16>) {
    return to_bfloat16(x);
  } else {
    return static_cast<To>(x);
  }
}

/// `count` elements; the ranges must not overlap.
template <class From, class To>
void convert(const From* from, To* to, Index count) {
  for (Index i = 0; i < count; ++i) to[i] = convert<To>(from[i]);
}

namespace detail {
template <class T>
struct DtypeOf;
template <>
struct DtypeOf<double> : std::integral_constant<Dtype, Dtype::f64> {};
template <>
struct DtypeOf<float> : std::integral_constant<Dtype, Dtype::f32> {};
template <>
struct DtypeOf<Float16> : std::integral_constant<Dtype, Dtype::f16> {};
template <>
struct DtypeOf<BFloat16> : std::integral_constant<Dtype, Dtype::bf16> {};
template <>
struct DtypeOf<std::int64_t> : std::integral_constant<Dtype, Dtype::i64> {};
template <>
struct DtypeOf<std::int32_t> : std::integral_constant<Dtype, Dtype::i32> {};
template <>
struct DtypeOf<std::int8_t> : std::integral_constant<Dtype, Dtype::i8> {};
template <>
struct DtypeOf<std::uint8_t> : std::integral_constant<Dtype, Dtype::u8> {};
template <>
struct DtypeOf<bool> : std::integral_constant<Dtype, Dtype::boolean> {};
}  // namespace detail

/// The dtype that stores a T as it is.
template <class T>
inline constexpr Dtype dtype_of = detail::DtypeOf<T>::value;

/// Calls f with a value of the C++ type that stores `dtype` (BOOL: std::uint8_t).
template <class F>
decltype(auto) with_dtype(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::f64:
      return f(double{});
    case Dtype::f32:
      return f(float{});
    case Dtype::f16:
      return f(Float16{});
    case Dtype::bf16:
      return f(BFloat16{});
    case Dtype::i64:
      return f(std::int64_t{});
    case Dtype::i32:
      return f(std::int32_t{});
    case Dtype::i8:
      return f(std::int8_t{});
    default:
      return f(std::uint8_t{});
  }
}

}  // namespace cloze
