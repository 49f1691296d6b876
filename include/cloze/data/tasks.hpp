// LM-BFF's 15 tasks: templates, label words, columns and limits as its run_experiment.sh has them (Gao, Fisch, Chen:
// "Making pre-trained language models better few-shot learners", ACL 2021; princeton-nlp/LM-BFF).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/data/task.hpp>

namespace cloze::tasks {

namespace detail {

inline constexpr const char* it_was = "*cls**sent_0*_It_was*mask*.*sep+*";
inline constexpr const char* this_is = "*cls**sent_0*_This_is*mask*.*sep+*";
inline constexpr const char* mask_between = "*cls**sent_0**mask*,*+sentl_1**sep+*";
inline constexpr const char* question_mask = "*cls**sent-_0*?*mask*,*+sentl_1**sep+*";

/// GLUE tasks of two texts.
inline Task pair(std::string name, int text_a, int text_b, int label, std::vector<std::string> labels,
                 const char* prompt, std::vector<std::string> words) {
  return Task{
      .name = std::move(name),
      .kind = FileKind::tsv,
      .columns = {.text_a = text_a, .text_b = text_b, .label = label, .labels = std::move(labels), .header = true},
      .prompt = prompt,
      .label_words = std::move(words)};
}

/// Headerless `label,text` files with labels 0 … n-1.
inline Task csv(std::string name, const char* prompt, std::vector<std::string> words,
                std::optional<Index> other_limit) {
  Task task{.name = std::move(name),
            .kind = FileKind::csv,
            .columns = {.text_a = 1, .label = 0},
            .prompt = prompt,
            .label_words = std::move(words),
            .limits = {.first_sent_limit = 110, .other_sent_limit = other_limit, .double_demo = true}};
  for (std::size_t i = 0; i < task.label_words.size(); ++i) task.columns.labels.push_back(std::to_string(i));
  return task;
}

inline Task with(Task task, std::vector<Metric> metrics) {
  task.metrics = std::move(metrics);
  return task;
}

inline Task with(Task task, Limits limits) {
  task.limits = limits;
  return task;
}

}  // namespace detail

inline Task cola() {
  return Task{.name = "CoLA",
              .columns = {.text_a = 3, .label = 1, .labels = {"0", "1"}},
              .prompt = detail::this_is,
              .label_words = {"incorrect", "correct"},
              .metrics = {Metric::matthews}};
}
inline Task sst2() {
  return Task{.name = "SST-2",
              .columns = {.text_a = 0, .label = 1, .labels = {"0", "1"}, .header = true},
              .prompt = detail::it_was,
              .label_words = {"terrible", "great"}};
}
inline Task mrpc() {
  return detail::with(detail::pair("MRPC", 3, 4, 0, {"0", "1"}, detail::mask_between, {"No", "Yes"}),
                      {Metric::f1, Metric::accuracy});
}
inline Task qqp() {
  return detail::with(detail::with(detail::pair("QQP", 3, 4, 5, {"0", "1"}, detail::mask_between, {"No", "Yes"}),
                                   {Metric::f1, Metric::accuracy}),
                      Limits{.num_sample = 4});
}
inline Task stsb() {
  return Task{
      .name = "STS-B",
      .columns = {.text_a = 7, .text_b = 8, .score = -1, .labels = {"0", "1"}, .bounds = Bounds{0, 5}, .header = true},
      .prompt = detail::mask_between,
      .label_words = {"No", "Yes"},
      .metrics = {Metric::pearson, Metric::spearman}};
}
inline Task mnli() {
  Task task = detail::with(detail::pair("MNLI", 8, 9, -1, {"contradiction", "entailment", "neutral"},
                                        detail::question_mask, {"No", "Yes", "Maybe"}),
                           Limits{.max_length = 256, .num_sample = 4});
  task.dev = "dev_matched";
  task.test = "test_matched";
  return task;
}
inline Task snli() {
  return detail::with(detail::pair("SNLI", 7, 8, -1, {"contradiction", "entailment", "neutral"}, detail::question_mask,
                                   {"No", "Yes", "Maybe"}),
                      Limits{.max_length = 256, .num_sample = 4});
}
inline Task qnli() {
  return detail::pair("QNLI", 1, 2, -1, {"entailment", "not_entailment"}, detail::question_mask, {"Yes", "No"});
}
inline Task rte() {
  return detail::with(
      detail::pair("RTE", 1, 2, -1, {"entailment", "not_entailment"}, detail::question_mask, {"Yes", "No"}),
      Limits{.max_length = 256, .first_sent_limit = 240});
}
inline Task mr() { return detail::csv("mr", detail::it_was, {"terrible", "great"}, 50); }
inline Task cr() { return detail::csv("cr", detail::it_was, {"terrible", "great"}, 50); }
inline Task sst5() { return detail::csv("sst-5", detail::it_was, {"terrible", "bad", "okay", "good", "great"}, 20); }
inline Task subj() { return detail::csv("subj", detail::this_is, {"subjective", "objective"}, 50); }
inline Task trec() {
  return detail::csv("trec", "*cls**mask*:*+sent_0**sep+*",
                     {"Description", "Entity", "Expression", "Human", "Location", "Number"}, std::nullopt);
}
inline Task mpqa() { return detail::csv("mpqa", detail::it_was, {"terrible", "great"}, std::nullopt); }

/// All 15, in the order of LM-BFF's tables.
inline std::vector<Task> all() {
  return {sst2(), sst5(), mr(),   cr(),  mpqa(), subj(), trec(), cola(),
          mnli(), snli(), qnli(), rte(), mrpc(), qqp(),  stsb()};
}

namespace detail {

/// Throws [cloze.data.7] where no task has this name.
inline const Task& find_in(const std::vector<Task>& tasks, std::string_view name) {
  std::string known;
  for (const Task& task : tasks) {
    if (task.name == name) return task;
    known += (known.empty() ? "" : ", ") + task.name;
  }
  fail("cloze.data.7", "no task is named \"{}\"; the known ones are {}", name, known);
}

}  // namespace detail

/// The built-in task of this name, as its folder is spelled ("SST-2", "sst-5"). Throws [cloze.data.7] with the known
/// names. With tasks of your own: TaskTable.
inline Task find(std::string_view name) { return detail::find_in(all(), name); }

}  // namespace cloze::tasks
