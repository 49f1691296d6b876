// Unicode as Hugging Face tokenizers sees it: UTF-8, the classes of code points, lower case, decomposition and
// composition.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <utf8proc.h>

#include <cloze/core/error.hpp>
#include <cloze/text/unicode_tables.hpp>

namespace cloze::detail::text {

/// A code point of UTF-8 and how many bytes it took (0: the bytes are not UTF-8).
struct Decoded {
  char32_t point;
  int bytes;
};

/// Reads the code point at `at` < text.size(). Overlong forms, surrogates and values beyond U+10FFFF are not UTF-8.
inline Decoded decode_point(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const int size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < static_cast<std::size_t>(size)) return {0, 0};
  char32_t point = lead & (0xFFu >> (size + 1));
  for (int i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    point = point << 6 | (byte(i) & 0x3Fu);
  }
  const bool shortest = size == 2 || point >= (size == 3 ? 0x800u : 0x10000u);
  const bool scalar = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
  return shortest && scalar ? Decoded{point, size} : Decoded{0, 0};
}

/// Appends the code points of `text`. Errors: [cloze.text.1] broken UTF-8, with the byte.
inline void append_points(std::u32string& out, std::string_view text) {
  const std::size_t start = out.size();
  out.resize(start + text.size());
  char32_t* to = out.data() + start;
  for (std::size_t at = 0; at < text.size();) {
    const Decoded next = decode_point(text, at);
    require(next.bytes > 0, "cloze.text.1", "broken UTF-8 at byte {} of {}: 0x{:02x} begins no code point", at,
            text.size(), static_cast<unsigned>(static_cast<unsigned char>(text[at])));
    *to++ = next.point;
    at += static_cast<std::size_t>(next.bytes);
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
}

inline std::u32string to_points(std::string_view text) {
  std::u32string points;
  append_points(points, text);
  return points;
}

/// Appends one code point as UTF-8.
inline void append_utf8(std::string& out, char32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
    return;
  }
  if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
  } else {
    if (point < 0x10000) {
      out += static_cast<char>(0xE0 | point >> 12);
    } else {
      out += static_cast<char>(0xF0 | point >> 18);
      out += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    }
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
  }
  out += static_cast<char>(0x80 | (point & 0x3F));
}

inline std::string to_utf8(std::u32string_view points) {
  std::string text;
  for (const char32_t point : points) append_utf8(text, point);
  return text;
}

/// Whether `point` lies in one of the sorted ranges.
template <std::size_t N>
bool in_ranges(const std::array<CodeRange, N>& ranges, char32_t point) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), point,
                                      [](char32_t p, const CodeRange& range) { return p < range.first; });
  return after != ranges.begin() && point <= std::prev(after)->last;
}

inline utf8proc_category_t category(char32_t point) { return utf8proc_category(static_cast<utf8proc_int32_t>(point)); }

inline bool is_ascii_letter(char32_t point) { return (point | 0x20) - U'a' < 26; }
inline bool is_ascii_digit(char32_t point) { return point - U'0' < 10; }
inline bool is_ascii_punctuation(char32_t point) {
  return point > 0x20 && point < 0x7F && !is_ascii_letter(point) && !is_ascii_digit(point);
}

/// White_Space, the same in every version of Unicode since 6.3.
inline bool is_space(char32_t point) {
  if (point < 0x80) return point == ' ' || point - 9 < 5;
  return point == 0x85 || point == 0xA0 || point == 0x1680 || point - 0x2000 < 11 || point == 0x2028 ||
         point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}

/// \p{L} of the regular expression engine.
inline bool is_letter(char32_t point) {
  if (point < 0x80) return is_ascii_letter(point);
  const auto c = category(point);
  return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) || in_ranges(unicode_tables::letter_added, point);
}

/// \p{N} of the regular expression engine.
inline bool is_number(char32_t point) {
  if (point < 0x80) return is_ascii_digit(point);
  const auto c = category(point);
  return (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO) || in_ranges(unicode_tables::number_added, point);
}

/// \w of the regular expression engine.
inline bool is_word(char32_t point) {
  if (point < 0x80) return is_ascii_letter(point) || is_ascii_digit(point) || point == '_';
  const auto c = category(point);
  return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NL) || c == UTF8PROC_CATEGORY_PC ||
         in_ranges(unicode_tables::word_added, point);
}

/// BERT's punctuation: ASCII symbols and category P.
inline bool is_punctuation(char32_t point) {
  if (point < 0x80) return is_ascii_punctuation(point);
  const auto c = category(point);
  if (c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO)
    return !in_ranges(unicode_tables::punctuation_removed, point);
  return in_ranges(unicode_tables::punctuation_added, point);
}

/// Category Mn: what BERT strips as accents.
inline bool is_nonspacing_mark(char32_t point) {
  if (point < 0x300) return false;
  if (category(point) == UTF8PROC_CATEGORY_MN) return !in_ranges(unicode_tables::nonspacing_removed, point);
  return in_ranges(unicode_tables::nonspacing_added, point);
}

/// Category M: what the StripAccents normalizer strips.
inline bool is_mark(char32_t point) {
  if (point < 0x300) return false;
  const auto c = category(point);
  if (c >= UTF8PROC_CATEGORY_MN && c <= UTF8PROC_CATEGORY_ME) return !in_ranges(unicode_tables::mark_removed, point);
  return in_ranges(unicode_tables::mark_added, point);
}

/// Categories Cc, Cf and Co but tab, line feed and carriage return: what BERT's clean_text drops.
inline bool is_control(char32_t point) {
  if (point < 0x80) return (point < 0x20 && point != '\t' && point != '\n' && point != '\r') || point == 0x7F;
  const auto c = category(point);
  return (c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO) &&
         !in_ranges(unicode_tables::control_removed, point);
}

/// The ideographs that BERT sets apart with spaces.
inline bool is_cjk(char32_t point) {
  if (point < 0x3400) return false;
  return point <= 0x4DBF || (point >= 0x4E00 && point <= 0x9FFF) || (point >= 0xF900 && point <= 0xFAFF) ||
         (point >= 0x20000 && point <= 0x2A6DF) || (point >= 0x2A700 && point <= 0x2B81F) ||
         (point >= 0x2B920 && point <= 0x2CEAF) || (point >= 0x2F800 && point <= 0x2FA1F);
}

/// Lower case, code point by code point. U+0130 gives two, "i" and U+0307; here it gives "i": the caller adds the dot.
inline char32_t lower_case(char32_t point) {
  if (point < 0x80) return point - U'A' < 26 ? point + 32 : point;
  if (point >= unicode_tables::lower_case.front().first) {
    for (const CaseRange& range : unicode_tables::lower_case) {
      if (point >= range.first && point <= range.last)
        return static_cast<char32_t>(static_cast<int>(point) + range.difference);
    }
  }
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(point)));
}

/// The most code points that one decomposes into (U+FDFA has 18).
inline constexpr int max_decomposition = 24;

/// Full canonical (or compatibility) decomposition of one code point into `out`; returns how many it gave.
inline int decompose_point(char32_t point, bool compatibility, std::array<char32_t, max_decomposition>& out) {
  out[0] = point;
  if (point < 0xA0 || in_ranges(unicode_tables::no_decomposition, point)) return 1;
  // A younger compatibility mapping is left out, but a canonical one of the same code point is not.
  if (compatibility && in_ranges(unicode_tables::no_compatibility_decomposition, point)) compatibility = false;
  std::array<utf8proc_int32_t, max_decomposition> points{};
  int boundary = 0;
  const int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
  const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(point), points.data(), max_decomposition,
                                             static_cast<utf8proc_option_t>(options), &boundary);
  if (count < 1 || count > max_decomposition) return 1;
  for (utf8proc_ssize_t i = 0; i < count; ++i) out[static_cast<std::size_t>(i)] = static_cast<char32_t>(points[i]);
  return static_cast<int>(count);
}

/// The canonical combining class, 0 for what starts a sequence.
inline int combining_class(char32_t point) {
  if (point < 0x300) return 0;
  const int value = utf8proc_get_property(static_cast<utf8proc_int32_t>(point))->combining_class;
  return value != 0 && in_ranges(unicode_tables::no_combining_class, point) ? 0 : value;
}

/// The one code point that `first` and `second` compose to, or 0.
inline char32_t compose_pair(char32_t first, char32_t second) {
  if (second < 0x300) return 0;
  std::array<utf8proc_int32_t, 3> pair{static_cast<utf8proc_int32_t>(first), static_cast<utf8proc_int32_t>(second), 0};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  if (utf8proc_normalize_utf32(pair.data(), 2, options) != 1) return 0;
  const auto composed = static_cast<char32_t>(pair[0]);
  return in_ranges(unicode_tables::no_decomposition, composed) ? 0 : composed;
}

}  // namespace cloze::detail::text
