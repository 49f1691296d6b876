// Task files: tasks as JSON, to be extended without compiling.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/data/task_table.hpp>

namespace cloze {

namespace detail {

inline constexpr std::array<FileKind, 3> task_formats{FileKind::tsv, FileKind::csv, FileKind::jsonl};
inline constexpr std::array<Metric, 5> task_metrics{Metric::accuracy, Metric::f1, Metric::matthews, Metric::pearson,
                                                    Metric::spearman};

/// Reads one task, key by key, and remembers which keys have a meaning.
class TaskReader {
 public:
  TaskReader(const nlohmann::json& json, std::string where, Task start)
      : json_(json), where_(std::move(where)), task_(std::move(start)) {}

  /// Errors: [cloze.json.2] a key is missing or of another type, [cloze.task.1] an unknown key or name,
  /// check_task's.
  Task read() {
    known_.insert("like");
    whole("name", task_.name, true);
    where_ += " (\"" + task_.name + "\")";
    if (given("format")) task_.kind = named("format", task_formats, [](FileKind kind) { return extension(kind) + 1; });
    whole("header", task_.columns.header, false);
    column("text_a", task_.columns.text_a);
    column("text_b", task_.columns.text_b);
    column("label", task_.columns.label);
    column("score", task_.columns.score);
    if (given("meta")) {
      task_.columns.meta.clear();
      for (const auto& [key, from] : object("meta").items()) task_.columns.meta.emplace_back(key, as_column(from, key));
    }
    whole("labels", task_.columns.labels, task_.labels().empty());
    optional("bounds", task_.columns.bounds, [&] {
      const auto pair = json_get<std::vector<float>>(json_, "bounds", where_);
      require(pair.size() == 2, "cloze.task.2", "{}: \"bounds\": wanted [lower, upper], found {} numbers", where_,
              pair.size());
      return Bounds{pair[0], pair[1]};
    });
    whole("template", task_.prompt, task_.prompt.empty());
    whole("words", task_.label_words, task_.label_words.empty());
    whole("max_length", task_.limits.max_length, false);
    const auto number = [&](const char* key) { return [this, key] { return json_get<Index>(json_, key, where_); }; };
    optional("first_sent_limit", task_.limits.first_sent_limit, number("first_sent_limit"));
    optional("other_sent_limit", task_.limits.other_sent_limit, number("other_sent_limit"));
    whole("double_demo", task_.limits.double_demo, false);
    whole("num_sample", task_.limits.num_sample, false);
    whole("truncate_head", task_.limits.truncate_head, false);
    if (given("metrics")) {
      task_.metrics.clear();
      for (const auto& name : json_get<std::vector<std::string>>(json_, "metrics", where_))
        task_.metrics.push_back(by_name("metrics", name, task_metrics, metric_name));
    }
    whole("dev", task_.dev, false);
    whole("test", task_.test, false);
    for (const auto& [key, ignored] : json_.items())
      if (!known_.contains(key)) {
        std::string all;
        for (const std::string& name : known_) all += (all.empty() ? "" : ", ") + name;
        fail("cloze.task.1", "{}: unknown key \"{}\"; the known ones are {}", where_, key, all);
      }
    check_task(task_, where_);
    return std::move(task_);
  }

 private:
  bool given(const std::string& key) {
    known_.insert(key);
    return json_.contains(key);
  }

  template <class T>
  void whole(const std::string& key, T& target, bool wanted) {
    if (given(key) || wanted) target = json_get<T>(json_, key, where_);
  }

  // null takes back what a task would have from the one it is like.
  template <class T, class Read>
  void optional(const std::string& key, std::optional<T>& target, Read&& read) {
    if (!given(key)) return;
    target = json_.at(key).is_null() ? std::nullopt : std::optional<T>(read());
  }

  void column(const std::string& key, Column& target) {
    if (given(key)) target = as_column(json_.at(key), key);
  }
  void column(const std::string& key, std::optional<Column>& target) {
    optional(key, target, [&] { return as_column(json_.at(key), key); });
  }

  Column as_column(const nlohmann::json& from, const std::string& key) const {
    if (from.is_string()) return Column(from.get<std::string>());
    require(from.is_number_integer(), "cloze.json.2", "{}: \"{}\": wanted a column, by position or by name, found {}",
            where_, key, from.type_name());
    return Column(json_get<Index>(one(key, from), key, where_));
  }

  static nlohmann::json one(const std::string& key, const nlohmann::json& value) {
    nlohmann::json object;
    object[key] = value;
    return object;
  }

  const nlohmann::json& object(const std::string& key) const {
    const nlohmann::json& found = json_.at(key);
    require(found.is_object(), "cloze.json.2", "{}: \"{}\": wanted an object, found {}", where_, key,
            found.type_name());
    return found;
  }

  template <class Value, std::size_t N, class Name>
  Value named(const std::string& key, const std::array<Value, N>& values, Name&& name) const {
    return by_name(key, json_get<std::string>(json_, key, where_), values, name);
  }

  template <class Value, std::size_t N, class Name>
  Value by_name(const std::string& key, const std::string& found, const std::array<Value, N>& values,
                Name&& name) const {
    std::string all;
    for (const Value value : values) {
      if (found == name(value)) return value;
      all += (all.empty() ? "" : ", ") + std::string(name(value));
    }
    fail("cloze.task.1", "{}: \"{}\": wanted one of {}, found \"{}\"", where_, key, all, found);
  }

  const nlohmann::json& json_;
  std::string where_;
  Task task_;
  std::set<std::string> known_;
};

inline nlohmann::json column_json(const Column& column) {
  return column.named() ? nlohmann::json(column.name()) : nlohmann::json(column.position());
}

}  // namespace detail

/// A task as a task file has it.
inline nlohmann::json task_json(const Task& task) {
  nlohmann::json json;
  json["name"] = task.name;
  json["format"] = extension(task.kind) + 1;
  json["header"] = task.columns.header;
  json["text_a"] = detail::column_json(task.columns.text_a);
  if (task.columns.text_b) json["text_b"] = detail::column_json(*task.columns.text_b);
  if (task.columns.label) json["label"] = detail::column_json(*task.columns.label);
  if (task.columns.score) json["score"] = detail::column_json(*task.columns.score);
  for (const auto& [key, column] : task.columns.meta) json["meta"][key] = detail::column_json(column);
  json["labels"] = task.labels();
  if (const auto& bounds = task.columns.bounds) json["bounds"] = std::vector<float>{bounds->lower, bounds->upper};
  json["template"] = task.prompt;
  json["words"] = task.label_words;
  json["max_length"] = task.limits.max_length;
  if (task.limits.first_sent_limit) json["first_sent_limit"] = *task.limits.first_sent_limit;
  if (task.limits.other_sent_limit) json["other_sent_limit"] = *task.limits.other_sent_limit;
  json["double_demo"] = task.limits.double_demo;
  json["num_sample"] = task.limits.num_sample;
  json["truncate_head"] = task.limits.truncate_head;
  for (const Metric metric : task.metrics) json["metrics"].push_back(std::string(metric_name(metric)));
  json["dev"] = task.dev;
  json["test"] = task.test;
  return json;
}

/// Adds the tasks of a file, {"tasks": [{"name": …}, …]}, to `table`. A task's keys are those of task_json; "like"
/// names a known task from which it takes what it does not say, else name, labels, template and words are required.
///   {"tasks": [{"name": "my reviews", "like": "SST-2", "text_a": "review", "label": "stars", "labels": ["1", "5"]}]}
/// Errors, with file and key: read_json's; [cloze.json.2] a key is missing or of another type; [cloze.task.1] an
/// unknown key, format, metric or "like"; [cloze.task.2] values that do not fit each other; [cloze.task.3] a name that
/// is taken. Where one task is wrong, none is added.
inline TaskTable read_tasks(const std::filesystem::path& path, TaskTable table = {}) {
  const nlohmann::json json = read_json(path);
  const auto entries = json_get<std::vector<nlohmann::json>>(json, "tasks", path.string());
  for (const auto& [key, ignored] : json.items())
    require(key == "tasks", "cloze.task.1", "{}: unknown key \"{}\"; wanted only \"tasks\"", path.string(), key);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string where = formatted("{}: task {}", path.string(), i + 1);
    const auto like = json_get_or<std::string>(entries[i], "like", "", where);
    Task start;
    try {
      if (!like.empty()) start = table.find(like);
    } catch (const Error& error) {
      fail("cloze.task.1", "{}: \"like\": {}", where, error.what());
    }
    if (like.empty()) json_get<nlohmann::json>(entries[i], "text_a", where);
    Task task = detail::TaskReader(entries[i], where, std::move(start)).read();
    require(std::ranges::none_of(table.all(), [&](const Task& known) { return known.name == task.name; }),
            "cloze.task.3", "{}: a task named \"{}\" is there already", where, task.name);
    table.add(std::move(task));
  }
  return table;
}

/// Writes a file that read_tasks reads. Errors: write_file_atomically's.
inline void write_tasks(const std::filesystem::path& path, std::span<const Task> tasks) {
  nlohmann::json json;
  json["tasks"] = nlohmann::json::array();
  for (const Task& task : tasks) json["tasks"].push_back(task_json(task));
  write_file_atomically(path, json.dump(2) + "\n");
}

}  // namespace cloze
