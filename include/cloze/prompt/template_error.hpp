// Errors in templates: the column, the template and a caret under the place.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <cloze/core/error.hpp>
#include <cloze/data/text_file.hpp>
#include <cloze/prompt/template_scan.hpp>

namespace cloze::detail {

/// Throws Error(id) with the message, the column of byte `at`, and the template with a caret under it.
[[noreturn]] inline void fail_in_template(std::string_view id, std::string_view text, std::size_t at,
                                          std::string_view message) {
  constexpr std::size_t window = 60;  // code points shown before the place, and after
  std::string before, after;
  std::size_t column = 1, shown_before = 0, shown_after = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = std::max<std::size_t>(1, utf8_sequence(text.substr(i)));
    std::string point(text.substr(i, size));
    if (size == 1 && (static_cast<unsigned char>(point[0]) < 0x20 || static_cast<unsigned char>(point[0]) >= 0x7F))
      point = "?";
    if (i < at) {
      ++column, ++shown_before;
      before += point;
    } else if (shown_after < window) {
      ++shown_after;
      after += point;
    }
    i += size;
  }
  while (shown_before > window) {
    before.erase(0, std::max<std::size_t>(1, utf8_sequence(before)));
    --shown_before;
  }
  fail(id, "template, column {}: {}\n  {}{}\n  {}^", column, message, before, after, std::string(shown_before, ' '));
}

[[noreturn]] inline void fail_scan(std::string_view text, const TemplateError& error, PieceKind answer) {
  const std::string about(error.about);
  switch (error.fault) {
    case TemplateFault::unbalanced_brace:
      fail_in_template("cloze.template.1", text, error.at,
                       "a brace without its partner; a brace that is text is written twice, {{ or }}");
    case TemplateFault::unknown_key: {
      fail_in_template("cloze.template.2", text, error.at,
                       "unknown key \"" + about +
                           "\"; keys are text_a, text_b, meta:KEY, mask, mask*N, soft:NAME, soft:NAME*N, label (in "
                           "demonstrations), cls, sep, bos, eos, pad");
    }
    case TemplateFault::bad_filter: {
      std::string known;
      for (const FilterName& entry : filter_names) known += std::string(entry.name) + ", ";
      fail_in_template(
          "cloze.template.3", text, error.at,
          "unknown filter or argument \"" + about + "\"; filters are " + known + "keep, cut_head, max:N, demo_max:N");
    }
    case TemplateFault::bad_count:
      fail_in_template("cloze.template.4", text, error.at, "count \"" + about + "\"; wanted 1 to 1000");
    case TemplateFault::no_mask:
      fail_in_template("cloze.template.5", text, error.at,
                       answer == PieceKind::label ? "a demonstration's template without {label}" : "no {mask}");
    case TemplateFault::misplaced_key:
      fail_in_template("cloze.template.6", text, error.at,
                       "\"" + about +
                           "\" cannot stand here: {label} belongs to demonstrations, {mask} to the query, "
                           "filters to {text_a}, {text_b} and {meta:KEY}");
    default:
      fail_in_template("cloze.template.7", text, error.at, "the template is not UTF-8");
  }
}

}  // namespace cloze::detail
