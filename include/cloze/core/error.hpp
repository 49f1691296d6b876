// Errors: one type, one way to throw it, the same text in Debug and Release.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#if defined(__CUDACC__) && !defined(FMT_USE_CONSTEXPR)
#define FMT_USE_CONSTEXPR 1  // fmt 9 leaves it out under nvcc, and then does not compile as C++20
#endif
#include <fmt/core.h>

namespace cloze {

/// Every failure the library reports. `what()` begins with the id in brackets: "[cloze.verbalizer.1] …".
/// Ids are stable; docs/errors.md lists each with its cause and its cure. Match on `id()`, never on the prose.
class Error : public std::runtime_error {
 public:
  Error(std::string_view id, std::string_view message)
      : std::runtime_error(fmt::vformat("[{}] {}", fmt::make_format_args(id, message))), id_(id) {}

  const std::string& id() const noexcept { return id_; }

  /// Throws one. Not a template, so that the many calls of require() and fail() share it.
  [[noreturn]] static void raise(std::string_view id, fmt::string_view format, fmt::format_args args) {
    throw Error(id, fmt::vformat(format, args));
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
  return fmt::vformat(format, fmt::make_format_args(args...));
}

/// Throws Error. The message says where, what was wanted and what was found.
template <class... Args>
[[noreturn]] void fail(std::string_view id, FormatString<Args...> format, const Args&... args) {
  Error::raise(id, format, fmt::make_format_args(args...));
}

/// Throws Error unless `ok`. The arguments are formatted only on failure.
template <class... Args>
void require(bool ok, std::string_view id, FormatString<Args...> format, const Args&... args) {
  if (!ok) [[unlikely]]
    Error::raise(id, format, fmt::make_format_args(args...));
}

}  // namespace cloze
