// Demonstration templates made from a task's template, and the settings that go with them (LM-BFF's run.py).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <cloze/core/error.hpp>
#include <cloze/data/task.hpp>
#include <cloze/prompt/lmbff_grammar.hpp>
#include <cloze/prompt/render.hpp>
#include <cloze/prompt/template.hpp>

namespace cloze {

/// The published text of a task with one demonstration of each label: see lmbff_expand_demos. compat shows one
/// demonstration of a regression task, the low pole's, as the original does although it draws two.
/// Errors: lmbff_expand_demos'.
inline std::string automatic_demonstrations(const Task& task, bool compat = false) {
  const auto labels = static_cast<Index>(task.labels().size());
  return lmbff_expand_demos(task.prompt, compat && task.regression() ? 1 : labels, compat);
}

/// A task's template that names one demonstration of each label, with the task's limits. Template::of(task) renders the
/// same where the demonstrations are one of each label in order; this one takes no others. Errors: Template::lmbff's.
inline Template demonstration_template(const Task& task, bool compat = false) {
  return Template::lmbff(automatic_demonstrations(task, compat), {.compat = compat,
                                                                  .first_sent_limit = task.limits.first_sent_limit,
                                                                  .other_sent_limit = task.limits.other_sent_limit});
}

/// LM-BFF's in-context template: the query, and `count` demonstrations with their own labels (`*labelx_j*`). before:
/// the first demonstration follows the query's `*cls*`. compat reproduces the original: each demonstration is put in
/// front of all that is there, so the last one stands first, and `*cls*` stays with the query inside the sequence.
/// Throws [cloze.template.4] where `count` is not 0 to 1000.
inline std::string lmbff_expand_in_context(std::string_view text, Index count, DemoPlace place, bool compat = false) {
  require(count >= 0 && count <= detail::template_max_count, "cloze.template.4",
          "a template with {} demonstrations; wanted 0 to 1000", count);
  const std::string query = detail::replace_all(std::string(text), "*cls*", "");
  Index sentences = compat && query.find("_1") != std::string::npos ? 2 : 1;
  for (std::string_view rest = text; !compat && !rest.empty();)
    if (detail::lmbff_sentence(detail::take_until(rest, '*')) == Index{1}) sentences = 2;
  std::string shown;
  for (Index i = 0; i < count; ++i) {
    std::string demo;
    if (compat) {
      demo = query;
      for (Index s = 0; s < sentences; ++s)
        demo = detail::replace_all(demo, formatted("_{}*", s), formatted("_{}*", sentences + sentences * i + s));
      demo = detail::replace_all(demo, "*mask*", formatted("*labelx_{}*", i));
    } else {
      demo = detail::lmbff_demo(query, sentences, i, "labelx_");
    }
    shown = compat && place == DemoPlace::before ? demo + shown : shown + demo;
  }
  if (place == DemoPlace::after) return std::string(text) + shown;
  const bool opens = !compat && text.starts_with("*cls*");
  return opens ? "*cls*" + shown + std::string(text.substr(5)) : shown + std::string(text);
}

/// The published length limits: doubled where demonstrations are shown and the task says so. compat cuts the end or the
/// beginning of the finished sequence, as the original does; else the longest text is shortened, or texts from the
/// beginning where the task cuts there.
inline RenderOptions render_options(const Task& task, bool demonstrations, bool compat = false) {
  return {.max_length = task.limits.max_length * (demonstrations && task.limits.double_demo ? 2 : 1),
          .truncation = task.limits.truncate_head ? Truncation::head
                        : compat                  ? Truncation::tail
                                                  : Truncation::longest};
}

/// Up to which score a regression example is shown with the low pole: the middle of the bounds (STS-B: 2.5, LM-BFF's).
/// Nothing for a task of classes. For RandomDemosOptions and its like.
inline std::optional<float> score_threshold(const Task& task) {
  if (!task.regression() || !task.columns.bounds) return std::nullopt;
  return (task.columns.bounds->lower + task.columns.bounds->upper) / 2;
}

}  // namespace cloze
