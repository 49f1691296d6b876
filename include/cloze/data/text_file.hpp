// Text files: valid UTF-8 or an error that names the line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

namespace detail {

/// Length of the well-formed UTF-8 sequence at the start of `text` (Unicode 15, table 3-7), 0 where it is broken.
constexpr std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return tail(1) ? 2 : 0;
  if (first < 0xF0) return tail(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && tail(2) ? 3 : 0;
  if (first < 0xF5)
    return tail(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && tail(2) && tail(3) ? 4 : 0;
  return 0;
}

/// Throws [cloze.data.1] unless `text` is UTF-8 throughout.
inline void check_utf8(std::string_view text, std::string_view name) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = utf8_sequence(text.substr(i));
    if (size == 0) {
      const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n');
      const std::size_t start = i == 0 ? 0 : text.rfind('\n', i - 1) + 1;
      fail("cloze.data.1", "{}:{}: byte {} of the line is 0x{:02x}: not UTF-8", name, line, i - start + 1,
           static_cast<unsigned char>(text[i]));
    }
    i += size;
  }
}

inline std::string_view without_bom(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

/// Calls visit(line number from 1, line without its end) for every line; LF or CR LF ends a line, also the last.
template <class Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  for (Index number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (end < text.size() && line.ends_with('\r')) line.remove_suffix(1);
    visit(number, line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace detail

/// The text of a file, without byte-order mark. Errors: read_file's; [cloze.data.1] not UTF-8, with the line.
inline std::string read_text(const std::filesystem::path& path) {
  std::string bytes = read_file(path);
  detail::check_utf8(bytes, path.string());
  if (detail::without_bom(bytes).size() != bytes.size()) bytes.erase(0, 3);
  return bytes;
}

}  // namespace cloze
