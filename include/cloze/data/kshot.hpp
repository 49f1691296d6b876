// k-shot folders as LM-BFF lays them out: TASK/16-13/{train,dev}.tsv, and test files inside or one folder up.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/data/csv.hpp>
#include <cloze/data/example.hpp>
#include <cloze/data/jsonl.hpp>
#include <cloze/data/task.hpp>
#include <cloze/data/tsv.hpp>

namespace cloze {

/// A few examples a class to train on, as many to choose by, and the rest to test on.
struct KShot {
  std::vector<Example> train;
  std::vector<Example> dev;
  std::vector<Example> test;                               // Task::test, "test" or "test_matched"
  std::map<std::string, std::vector<Example>> more_tests;  // every other test*.EXT, by stem: "test_mismatched", …
};

struct KShotOptions {
  bool need_test = true;  // false: a folder without test files is read, `test` stays empty
};

/// Reads a file in the task's format. Errors: the reader's.
inline std::vector<Example> read_examples(const std::filesystem::path& path, const Task& task) {
  switch (task.kind) {
    case FileKind::tsv:
      return read_tsv(path, task.columns);
    case FileKind::csv:
      return read_csv(path, task.columns);
    case FileKind::jsonl:
      break;
  }
  return read_jsonl(path, task.columns);
}

namespace detail {

/// Throws [cloze.data.9] where a class of the task has no example.
inline void check_classes(const std::vector<Example>& examples, const Task& task, const std::string& file) {
  require(!examples.empty(), "cloze.data.9", "{}: no examples", file);
  if (task.regression()) return;
  for (std::size_t label = 0; label < task.labels().size(); ++label) {
    const bool present = std::any_of(examples.begin(), examples.end(),
                                     [&](const Example& e) { return e.label == static_cast<LabelId>(label); });
    require(present, "cloze.data.9", "{}: no example of class \"{}\" of {} among {} examples", file,
            task.labels()[label], task.name, examples.size());
  }
}

/// The stems of the test files in a folder.
inline std::set<std::string> test_stems(const std::filesystem::path& folder, const Task& task) {
  std::set<std::string> stems;
  std::error_code code;
  for (std::filesystem::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
    const auto& path = entry->path();
    const std::string stem = path.stem().string();
    if (path.extension() == extension(task.kind) && stem.starts_with("test")) stems.insert(stem);
  }
  return stems;
}

}  // namespace detail

/// Reads `folder` (TASK/K-SEED). Test files are taken from it where it has the task's main test file, else from the
/// folder above. Errors: [cloze.data.8] the folder or one of its files is missing; [cloze.data.9] train or dev lacks a
/// class; the reader's errors for each row.
inline KShot read_kshot(const std::filesystem::path& folder, const Task& task, const KShotOptions& options = {}) {
  std::error_code code;
  require(std::filesystem::is_directory(folder, code), "cloze.data.8", "{}: no such k-shot folder", folder.string());
  const auto read_split = [&](const std::string& stem) {
    const auto path = folder / (stem + extension(task.kind));
    require(std::filesystem::exists(path, code), "cloze.data.8", "{}: a k-shot folder of {} needs this file",
            path.string(), task.name);
    auto examples = read_examples(path, task);
    detail::check_classes(examples, task, path.string());
    return examples;
  };
  KShot data{.train = read_split("train"), .dev = read_split(task.dev), .test = {}, .more_tests = {}};

  auto tests = folder;
  auto stems = detail::test_stems(tests, task);
  // "a/b/" and "." name the same folders as "a/b" and its absolute path: only a normal path has its parent in front.
  auto whole = std::filesystem::absolute(folder).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  if (!stems.contains(task.test)) {
    tests = whole.parent_path();
    stems = detail::test_stems(tests, task);
  }
  require(stems.contains(task.test) || !options.need_test, "cloze.data.8", "{}: no {}{} in it or in the folder above",
          folder.string(), task.test, extension(task.kind));
  for (const std::string& stem : stems) {
    auto& target = stem == task.test ? data.test : data.more_tests[stem];
    target = read_examples(tests / (stem + extension(task.kind)), task);
  }
  return data;
}

}  // namespace cloze
