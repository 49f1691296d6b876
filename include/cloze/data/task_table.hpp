// TaskTable: tasks by name, the 15 built-in ones and a user's own, each checked when it is added.
#pragma once

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/data/task.hpp>
#include <cloze/data/tasks.hpp>

namespace cloze {

/// The name of a metric in task files and tables: "accuracy", "f1", "matthews", "pearson", "spearman".
constexpr std::string_view metric_name(Metric metric) {
  switch (metric) {
    case Metric::accuracy:
      return "accuracy";
    case Metric::f1:
      return "f1";
    case Metric::matthews:
      return "matthews";
    case Metric::pearson:
      return "pearson";
    case Metric::spearman:
      break;
  }
  return "spearman";
}

/// Checks that the parts of a task fit each other; `where` names it in errors. What needs a tokenizer or a parsed
/// template is checked by WordVerbalizer and Template. Errors: [cloze.task.2].
inline void check_task(const Task& task, std::string_view where) {
  const auto check = [&](bool ok, std::string_view what) { require(ok, "cloze.task.2", "{}: {}", where, what); };
  check(!task.name.empty(), "the name is empty");
  check(!task.prompt.empty(), "there is no template");
  check(task.columns.label.has_value() != task.columns.score.has_value(),
        "wanted a label column, or a score column for regression, and not both");
  check(task.labels().size() >= 2, "wanted at least two labels");
  check(!task.regression() || task.labels().size() == 2, "regression has two poles: wanted two labels, low and high");
  std::set<std::string> seen;
  for (const std::string& label : task.labels())
    check(!label.empty() && seen.insert(label).second, formatted("label \"{}\" is empty or listed twice", label));
  check(task.label_words.size() == task.labels().size(),
        formatted("{} labels, but {} words", task.labels().size(), task.label_words.size()));
  for (const std::string& word : task.label_words) check(!word.empty(), "a label word is empty");
  check(task.regression() == task.columns.bounds.has_value(), "bounds go with a score column, and a score with bounds");
  if (const auto& bounds = task.columns.bounds)
    check(std::isfinite(bounds->lower) && std::isfinite(bounds->upper) && bounds->lower < bounds->upper,
          formatted("bounds [{}, {}]; wanted the lower one below the upper one", bounds->lower, bounds->upper));
  check(!task.metrics.empty(), "there is no metric to choose a checkpoint by");
  for (const Metric metric : task.metrics) {
    const bool correlation = metric == Metric::pearson || metric == Metric::spearman;
    check(correlation == task.regression(),
          formatted("metric {} does not score {}", metric_name(metric), task.regression() ? "numbers" : "labels"));
    check(metric != Metric::f1 || task.labels().size() == 2, "metric f1 is that of the second of two labels");
  }
  const Limits& limits = task.limits;
  check(limits.max_length >= 1, formatted("max_length {}; wanted 1 or more", limits.max_length));
  check(limits.num_sample >= 1, formatted("num_sample {}; wanted 1 or more", limits.num_sample));
  for (const auto& limit : {limits.first_sent_limit, limits.other_sent_limit})
    check(!limit || *limit >= 1, formatted("a sentence limit of {}; wanted 1 or more", limit.value_or(0)));
  check(!task.dev.empty() && !task.test.empty(), "dev and test name files; one is empty");
}

/// Starts with the built-in tasks. A user's own is one more value:
///   TaskTable tasks;
///   tasks.add({.name = "reviews", …});
///   read_kshot(folder, tasks.find("reviews"));
class TaskTable {
 public:
  TaskTable() : tasks_(tasks::all()) {}

  /// Errors: check_task's; [cloze.task.3] a task of this name is there already.
  void add(Task task) {
    check_task(task, "task \"" + task.name + "\"");
    require(std::ranges::none_of(tasks_, [&](const Task& known) { return known.name == task.name; }), "cloze.task.3",
            "a task named \"{}\" is there already; a variant needs a name of its own", task.name);
    tasks_.push_back(std::move(task));
  }

  /// Throws [cloze.data.7] with the known names.
  const Task& find(std::string_view name) const { return tasks::detail::find_in(tasks_, name); }

  /// The built-in ones first, then in the order added.
  const std::vector<Task>& all() const noexcept { return tasks_; }

 private:
  std::vector<Task> tasks_;
};

}  // namespace cloze
