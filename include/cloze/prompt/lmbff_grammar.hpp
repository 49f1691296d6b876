// LM-BFF's template grammar: `*cls**sent_0*_It_was*mask*.*sep+*` (Gao, Fisch, Chen, ACL 2021; src/dataset.py).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/data/task.hpp>
#include <cloze/prompt/piece.hpp>
#include <cloze/prompt/template_error.hpp>

namespace cloze {

struct LmbffOptions {
  /// true: exactly what the original does. `sent-_` drops the last character whatever it is; a literal of one character
  /// is looked up as a vocabulary entry; a literal that looks like `sent…` is an error (the original crashes); an input
  /// that is too long is cut anywhere, label words, literals and the mask included (a lost mask is an error). false:
  /// `sent-_` drops only a punctuation mark, literals are free, and only texts are ever cut.
  bool compat = false;
  std::optional<Index> first_sent_limit = {};  // tokens of sent_0
  std::optional<Index> other_sent_limit = {};  // tokens of every other sentence
};

namespace detail {

struct LmbffSentence {
  std::string_view name;
  bool space;
  int filter;  // index into the filters below
  bool drop;
};
inline constexpr std::array<LmbffSentence, 8> lmbff_sentences{{{"sent_", false, 0, false},
                                                               {"+sent_", true, 0, false},
                                                               {"sent-_", false, 0, true},
                                                               {"sentl_", false, 1, false},
                                                               {"+sentl_", true, 1, false},
                                                               {"sentl-_", false, 1, true},
                                                               {"sentu_", false, 2, false},
                                                               {"+sentu_", true, 2, false}}};

/// The index after a `sent_`, `label_` or `labelx_`. Throws [cloze.template.4].
inline Index lmbff_index(std::string_view text, std::size_t at, std::string_view digits) {
  const Index index = parse_count(digits, true);
  if (index < 0 || index > template_max_count)
    fail_in_template("cloze.template.4", text, at, "index \"" + std::string(digits) + "\"; wanted 0 to 1000");
  return index;
}

inline Piece lmbff_piece(std::string_view text, std::size_t at, std::string_view part, const LmbffOptions& options) {
  const std::size_t digits = part.find('_') + 1;
  if (part == "mask") return {.kind = PieceKind::mask};
  if (part == "cls") return {.kind = PieceKind::special, .special = SpecialRole::cls};
  if (part == "sep" || part == "sep+")
    return {.kind = PieceKind::special, .special = SpecialRole::sep, .next_segment = part == "sep+"};
  if (part.starts_with("label_"))
    return {.kind = PieceKind::label,
            .slot = lmbff_index(text, at + digits, part.substr(digits)),
            .fixed_label = true,
            .space = true};
  if (part.starts_with("labelx_"))
    return {.kind = PieceKind::label,
            .slot = lmbff_index(text, at + digits, part.substr(digits)),
            .flat = true,
            .space = true};
  for (const LmbffSentence& sentence : lmbff_sentences) {
    if (!part.starts_with(sentence.name)) continue;
    Piece piece{.kind = PieceKind::text,
                .slot = lmbff_index(text, at + digits, part.substr(digits)),
                .flat = true,
                .space = sentence.space};
    if (sentence.filter == 1) piece.filters.push_back(Filter::lower_first);
    if (sentence.filter == 2) piece.filters.push_back(Filter::upper_first);
    if (sentence.drop) piece.filters.push_back(options.compat ? Filter::drop_last : Filter::drop_punctuation);
    piece.limit = piece.slot == 0 ? options.first_sent_limit : options.other_sent_limit;
    piece.demo_limit = options.other_sent_limit;
    return piece;
  }
  Piece piece{.kind = PieceKind::literal, .text = std::string(part)};
  std::replace(piece.text.begin(), piece.text.end(), '_', ' ');
  const std::string_view literal = piece.text;
  if (options.compat && (literal.starts_with("sent") || (!literal.empty() && literal.substr(1).starts_with("sent"))))
    fail_in_template("cloze.template.8", text, at,
                     "the original fails on a literal that begins like a sentence (\"" + piece.text + "\")");
  piece.vocabulary_entry = options.compat && literal.size() == utf8_sequence(literal) && !literal.empty();
  return piece;
}

/// Errors: [cloze.template.4] an index, [cloze.template.5] no mask, [cloze.template.7] not UTF-8, [cloze.template.8]
/// compat only.
inline std::vector<Piece> parse_lmbff(std::string_view text, const LmbffOptions& options) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = utf8_sequence(text.substr(i));
    if (size == 0) fail_in_template("cloze.template.7", text, i, "the template is not UTF-8");
    i += size;
  }
  std::vector<Piece> pieces;
  bool masked = false;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('*', at), text.size());
    if (end > at) {
      pieces.push_back(lmbff_piece(text, at, text.substr(at, end - at), options));
      masked = masked || pieces.back().kind == PieceKind::mask;
    }
    at = end + 1;
  }
  if (!masked) fail_in_template("cloze.template.5", text, text.size(), "no *mask*");
  return pieces;
}

inline std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

/// The index of a sentence piece such as `+sentl_1`, or nothing.
inline std::optional<Index> lmbff_sentence(std::string_view part) {
  for (const LmbffSentence& sentence : lmbff_sentences)
    if (part.starts_with(sentence.name) && parse_count(part.substr(sentence.name.size()), true) >= 0)
      return parse_count(part.substr(sentence.name.size()), true);
  return std::nullopt;
}

/// The part of demonstration `number` in an expanded template, with only whole pieces replaced.
inline std::string lmbff_demo(std::string_view sub, Index sentences, Index number, std::string_view answer) {
  std::string demo;
  for (bool more = true; more;) {
    more = sub.find('*') != std::string_view::npos;
    const std::string_view part = take_until(sub, '*');
    const auto sentence = lmbff_sentence(part);
    if (sentence) {
      demo += part.substr(0, part.find('_') + 1);
      demo += std::to_string(sentences + sentences * number + *sentence);
    } else {
      demo += part == "mask" ? std::string(answer) + std::to_string(number) : std::string(part);
    }
    if (more) demo += '*';
  }
  return demo;
}

}  // namespace detail

/// LM-BFF's automatic template with demonstrations: the query's template, then for each label the same without `*cls*`,
/// with its own sentences, and `*label_i*` for `*mask*`. compat reproduces the original's unanchored replacement, which
/// damages pair templates from the fifth label on and any literal that contains `_0` or `_1`. Throws [cloze.template.4]
/// where `labels` is not 0 to 1000.
inline std::string lmbff_expand_demos(std::string_view text, Index labels, bool compat = false) {
  require(labels >= 0 && labels <= detail::template_max_count, "cloze.template.4",
          "a template with demonstrations of {} labels; wanted 0 to 1000", labels);
  std::string expanded(text);
  const std::string sub = detail::replace_all(expanded, "*cls*", "");
  Index sentences = compat && text.find("_1") != std::string_view::npos ? 2 : 1;
  for (std::string_view rest = text; !compat && !rest.empty();)
    if (detail::lmbff_sentence(detail::take_until(rest, '*')) == Index{1}) sentences = 2;
  for (Index label = 0; label < labels; ++label) {
    if (!compat) {
      expanded += detail::lmbff_demo(sub, sentences, label, "label_");
      continue;
    }
    std::string demo = sub;
    for (Index i = 0; i < sentences; ++i)
      demo = detail::replace_all(demo, formatted("_{}", i), formatted("_{}", sentences + sentences * label + i));
    expanded += detail::replace_all(demo, "*mask*", formatted("*label_{}*", label));
  }
  return expanded;
}

}  // namespace cloze
