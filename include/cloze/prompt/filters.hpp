// Filters: what a template does to a text before it is tokenised. Characters are code points.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <cloze/data/text_file.hpp>
#include <cloze/prompt/piece.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze {

namespace detail {

inline std::string without_last_character(std::string text) {
  if (text.empty()) return text;
  std::size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  // Bytes that are no UTF-8 sequence count as one character each; the tokenizer refuses them later.
  text.resize(utf8_sequence(std::string_view(text).substr(begin)) == text.size() - begin ? begin : text.size() - 1);
  return text;
}

/// One code point in lower case, as Python's str.lower() has it for a single character.
inline void append_lower(std::string& out, char32_t point) {
  text::append_utf8(out, text::lower_case(point));
  if (point == 0x130) text::append_utf8(out, 0x307);
}

inline void append_upper(std::string& out, char32_t point) {
  if (point == 0xDF) {
    out += "SS";
  } else {
    text::append_utf8(out, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(point))));
  }
}

/// Maps the first character, or all of them.
template <class Append>
std::string map_characters(const std::string& input, bool all, Append append) {
  std::string out;
  std::size_t at = 0;
  while (at < input.size() && (all || at == 0)) {
    const text::Decoded next = text::decode_point(input, at);
    if (next.bytes == 0) break;
    append(out, next.point);
    at += static_cast<std::size_t>(next.bytes);
  }
  return out + input.substr(at);
}

inline bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

inline void strip_end(std::string& text) {
  while (!text.empty() && is_blank(text.back())) text.pop_back();
}

inline bool ends_in_punctuation(const std::string& input) {
  return !input.empty() && text::is_ascii_punctuation(static_cast<unsigned char>(input.back()));
}

}  // namespace detail

/// The text after one filter.
inline std::string apply_filter(Filter filter, std::string text) {
  switch (filter) {
    case Filter::strip: {
      detail::strip_end(text);
      std::size_t begin = 0;
      while (begin < text.size() && detail::is_blank(text[begin])) ++begin;
      return text.substr(begin);
    }
    case Filter::strip_period:
      detail::strip_end(text);
      if (text.ends_with('.')) text.pop_back();
      detail::strip_end(text);
      return text;
    case Filter::strip_punctuation:
      detail::strip_end(text);
      while (detail::ends_in_punctuation(text)) text.pop_back();
      detail::strip_end(text);
      return text;
    case Filter::drop_punctuation:
      if (detail::ends_in_punctuation(text)) text.pop_back();
      return text;
    case Filter::drop_last:
      return detail::without_last_character(std::move(text));
    case Filter::lower_first:
      return detail::map_characters(text, false, detail::append_lower);
    case Filter::upper_first:
      return detail::map_characters(text, false, detail::append_upper);
    case Filter::lower:
      return detail::map_characters(text, true, detail::append_lower);
  }
  return text;
}

/// The text after all filters, in order.
inline std::string apply_filters(std::span<const Filter> filters, std::string text) {
  for (const Filter filter : filters) text = apply_filter(filter, std::move(text));
  return text;
}

}  // namespace cloze
