// Errors: one type, one way to throw it, the same text in Debug and Release.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#if defined(__CUDACC__) && !defined(FMT_USE_CONSTEXPR)
#define FMT_USE_CONSTEXPR 1  // fmt 9 leaves it out under nvcc, and then does not compile as C++20
#endif
#include <fmt/core.h>

namespace cloze {

namespace detail {

using FormatArg = fmt::basic_format_arg<fmt::format_context>;

inline FormatArg text_arg(const std::string_view& text) { return fmt::format_args(fmt::make_format_args(text)).get(0); }

/// One argument of a message; refers to `value`. fmt::make_format_args of a whole list would make a compiler work
/// through a class for every list of types that a message has somewhere.
template <class T>
FormatArg format_arg(const T& value) {
  if constexpr (std::is_array_v<T>) {
    return text_arg(value);
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char> &&
                       !std::is_same_v<T, long long> && !std::is_same_v<T, unsigned long long>) {
    using Widest = std::conditional_t<std::is_signed_v<T>, long long, unsigned long long>;
    return format_arg(static_cast<Widest>(value));
  } else {
    return fmt::format_args(fmt::make_format_args(value)).get(0);
  }
}

inline std::string format_message(fmt::string_view format, std::initializer_list<FormatArg> args) {
  return fmt::vformat(format, fmt::format_args(args.begin(), static_cast<int>(args.size())));
}

}  // namespace detail

/// Every failure the library reports. `what()` begins with the id in brackets: "[cloze.verbalizer.1] …".
/// Ids are stable; docs/errors.md lists each with its cause and its cure. Match on `id()`, never on the prose.
class Error : public std::runtime_error {
 public:
  Error(std::string_view id, std::string_view message)
      : std::runtime_error(fmt::vformat("[{}] {}", fmt::make_format_args(id, message))), id_(id) {}

  const std::string& id() const noexcept { return id_; }

  /// Throws one. Not a template, so that the many calls of require() and fail() share it.
  [[noreturn]] static void raise(std::string_view id, fmt::string_view format,
                                 std::initializer_list<detail::FormatArg> args) {
    throw Error(id, detail::format_message(format, args));
  }

 private:
  std::string id_;
};

/// A format string for arguments of these types. fmt checks it while compiling where CLOZE_CHECK_FORMATS is defined, as
/// all our tests do; checking every message of the library again would cost a user's unit most of a second.
#ifdef CLOZE_CHECK_FORMATS
template <class... Args>
using FormatString = fmt::format_string<Args...>;
#else
template <class...>
using FormatString = fmt::string_view;
#endif

/// fmt::format for the library's own texts.
template <class... Args>
std::string formatted(FormatString<Args...> format, const Args&... args) {
  return detail::format_message(format, {detail::format_arg(args)...});
}

/// Throws Error. The message says where, what was wanted and what was found.
template <class... Args>
[[noreturn]] void fail(std::string_view id, FormatString<Args...> format, const Args&... args) {
  Error::raise(id, format, {detail::format_arg(args)...});
}

/// Throws Error unless `ok`. The arguments are formatted only on failure.
template <class... Args>
void require(bool ok, std::string_view id, FormatString<Args...> format, const Args&... args) {
  if (!ok) [[unlikely]]
    Error::raise(id, format, {detail::format_arg(args)...});
}

}  // namespace cloze
