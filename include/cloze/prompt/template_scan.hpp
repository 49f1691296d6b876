// The scanner of our template grammar, usable while compiling: `{text_a|lower_first} It was {mask}.`
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <cloze/core/ids.hpp>
#include <cloze/data/text_file.hpp>
#include <cloze/prompt/piece.hpp>

namespace cloze::detail {

enum class TemplateFault {
  none,
  unbalanced_brace,
  unknown_key,
  bad_filter,
  bad_count,
  no_mask,
  misplaced_key,
  not_utf8,
};

struct TemplateError {
  TemplateFault fault = TemplateFault::none;
  std::size_t at = 0;  // byte in the template
  std::string_view about = {};
};

/// A piece as it stands in the template: `body` is a literal's raw text (braces still doubled) or what follows the
/// colon.
struct ScannedPiece {
  PieceKind kind = PieceKind::literal;
  std::string_view body = {};
  Index slot = 0;
  Index count = 1;
  SpecialRole special = SpecialRole::cls;
  std::string_view filters = {};  // "lower_first|max:110"
};

struct FilterName {
  std::string_view name;
  Filter filter;
};
inline constexpr std::array<FilterName, 8> filter_names{{{"strip", Filter::strip},
                                                         {"strip_period", Filter::strip_period},
                                                         {"strip_punctuation", Filter::strip_punctuation},
                                                         {"drop_punctuation", Filter::drop_punctuation},
                                                         {"drop_last", Filter::drop_last},
                                                         {"lower_first", Filter::lower_first},
                                                         {"upper_first", Filter::upper_first},
                                                         {"lower", Filter::lower}}};
inline constexpr std::array<std::string_view, 5> special_names{"cls", "sep", "bos", "eos", "pad"};
inline constexpr Index template_max_count = 1000;

/// The part up to `separator`, which is taken off `rest` together with it.
constexpr std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

/// 1 … 1000 (0 … 1000000 where `zero`), or -1 where the text is anything else.
constexpr Index parse_count(std::string_view text, bool zero = false) {
  Index number = 0;
  const Index most = zero ? 1000000 : template_max_count;
  if (text.empty() || text.size() > 7) return -1;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    number = 10 * number + (c - '0');
  }
  return number <= most && (zero || number > 0) ? number : -1;
}

/// Calls visit(name, argument) for every filter of "a|b:1". Returns the first bad one.
template <class Visit>
constexpr TemplateError scan_filters(std::string_view filters, std::size_t at, Visit&& visit) {
  bool more = !filters.empty();
  while (more) {
    const std::size_t bar = filters.find('|');
    const std::string_view whole = filters.substr(0, bar);
    std::string_view name = whole;
    const bool has_argument = name.find(':') != std::string_view::npos;
    std::string_view argument = name;
    name = take_until(argument, ':');
    bool known = name == "keep" || name == "cut_head";
    for (const FilterName& entry : filter_names) known = known || entry.name == name;
    const bool counted = name == "max" || name == "demo_max";
    if (!(known && !has_argument) && !(counted && has_argument && parse_count(argument, true) >= 0))
      return {TemplateFault::bad_filter, at, whole};
    visit(name, argument);
    more = bar != std::string_view::npos;
    if (more) {
      at += bar + 1;
      filters.remove_prefix(bar + 1);
    }
  }
  return {};
}

/// Reads what stands between braces at `at` (the byte after the opening one).
constexpr TemplateError scan_key(std::string_view inside, std::size_t at, ScannedPiece& piece) {
  const std::size_t bar = std::min(inside.find('|'), inside.size());
  std::string_view key = inside.substr(0, bar);
  const bool filtered = bar < inside.size();
  piece.filters = filtered ? inside.substr(bar + 1) : std::string_view{};
  const std::size_t star = key.find('*');
  if (star != std::string_view::npos && (key.starts_with("mask") || key.starts_with("soft"))) {
    piece.count = parse_count(key.substr(star + 1));
    if (piece.count < 0) return {TemplateFault::bad_count, at + star + 1, key.substr(star + 1)};
    key = key.substr(0, star);
  }
  if (key == "text_a" || key == "text_b") {
    piece.kind = PieceKind::text;
    piece.slot = key == "text_a" ? 0 : 1;
  } else if (key == "mask") {
    piece.kind = PieceKind::mask;
  } else if (key == "label") {
    piece.kind = PieceKind::label;
  } else if (key.starts_with("meta:") && key.size() > 5) {
    piece.kind = PieceKind::meta;
    piece.body = key.substr(5);
  } else if (key.starts_with("soft:") && key.size() > 5) {
    piece.kind = PieceKind::soft;
    piece.body = key.substr(5);
  } else {
    const auto role = std::find(special_names.begin(), special_names.end(), key);
    if (role == special_names.end()) return {TemplateFault::unknown_key, at, key};
    piece.kind = PieceKind::special;
    piece.special = static_cast<SpecialRole>(role - special_names.begin());
  }
  if (!filtered) return {};
  if (piece.kind != PieceKind::text && piece.kind != PieceKind::meta) return {TemplateFault::misplaced_key, at, inside};
  if (piece.filters.empty()) return {TemplateFault::bad_filter, at + bar + 1, ""};
  return scan_filters(piece.filters, at + bar + 1, [](std::string_view, std::string_view) {});
}

/// Calls visit(piece) for every piece of the template, in order. `answer` is what it must show at least once, mask or
/// label; the other of the two may not appear. Returns the first fault.
template <class Visit>
constexpr TemplateError scan_template(std::string_view text, PieceKind answer, Visit&& visit) {
  bool answered = false;
  std::size_t at = 0, literal = 0;
  const auto flush = [&](std::size_t end) {
    if (end > literal) visit(ScannedPiece{.body = text.substr(literal, end - literal)});
  };
  while (at < text.size()) {
    const char c = text[at];
    if (c != '{' && c != '}') {
      const std::size_t size = utf8_sequence(text.substr(at));
      if (size == 0) return {TemplateFault::not_utf8, at, ""};
      at += size;
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == c) {
      at += 2;
      continue;
    }
    if (c == '}') return {TemplateFault::unbalanced_brace, at, "}"};
    const std::size_t close = text.find_first_of("{}", at + 1);
    if (close == std::string_view::npos || text[close] == '{') return {TemplateFault::unbalanced_brace, at, "{"};
    flush(at);
    ScannedPiece piece;
    const TemplateError error = scan_key(text.substr(at + 1, close - at - 1), at + 1, piece);
    if (error.fault != TemplateFault::none) return error;
    for (std::size_t i = at; i < close;) {
      const std::size_t size = utf8_sequence(text.substr(i));
      if (size == 0) return {TemplateFault::not_utf8, i, ""};
      i += size;
    }
    if (piece.kind == PieceKind::mask || piece.kind == PieceKind::label) {
      if (piece.kind != answer) return {TemplateFault::misplaced_key, at + 1, text.substr(at + 1, close - at - 1)};
      answered = true;
    }
    visit(piece);
    at = literal = close + 1;
  }
  flush(at);
  if (!answered) return {TemplateFault::no_mask, text.size(), ""};
  return {};
}

// Called while a literal is being checked by the compiler: their names are its error message.
inline void template_literal_has_an_unbalanced_brace() {}
inline void template_literal_has_an_unknown_key() {}
inline void template_literal_has_a_bad_filter() {}
inline void template_literal_has_a_bad_count() {}
inline void template_literal_has_no_mask() {}
inline void template_literal_has_a_misplaced_key_or_filter() {}
inline void template_literal_is_not_utf8() {}

constexpr void check_template_literal(std::string_view text) {
  switch (scan_template(text, PieceKind::mask, [](const ScannedPiece&) {}).fault) {
    case TemplateFault::none:
      break;
    case TemplateFault::unbalanced_brace:
      template_literal_has_an_unbalanced_brace();
      break;
    case TemplateFault::unknown_key:
      template_literal_has_an_unknown_key();
      break;
    case TemplateFault::bad_filter:
      template_literal_has_a_bad_filter();
      break;
    case TemplateFault::bad_count:
      template_literal_has_a_bad_count();
      break;
    case TemplateFault::no_mask:
      template_literal_has_no_mask();
      break;
    case TemplateFault::misplaced_key:
      template_literal_has_a_misplaced_key_or_filter();
      break;
    case TemplateFault::not_utf8:
      template_literal_is_not_utf8();
      break;
  }
}

}  // namespace cloze::detail
