// Task: everything that distinguishes one data set from another, as plain data. No registry: a user's own task is one
// more value.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <cloze/core/ids.hpp>
#include <cloze/data/columns.hpp>

namespace cloze {

enum class FileKind { tsv, csv, jsonl };

/// ".tsv", ".csv", ".jsonl".
constexpr const char* extension(FileKind kind) {
  return kind == FileKind::tsv ? ".tsv" : kind == FileKind::csv ? ".csv" : ".jsonl";
}

enum class Metric { accuracy, f1, matthews, pearson, spearman };

/// Token budgets of the published recipe.
struct Limits {
  Index max_length = 128;
  std::optional<Index> first_sent_limit = {};  // tokens of the query's first text
  std::optional<Index> other_sent_limit = {};  // tokens of every other text
  bool double_demo = false;                    // max_length is doubled where demonstrations are shown
  Index num_sample = 16;                       // draws of demonstrations to average over at prediction
  bool truncate_head = false;                  // too long an input loses tokens at its beginning
};

/// A classification task (columns.label), or regression between two poles (columns.score): then `columns.bounds` is set
/// and `columns.labels` names the low and the high pole.
struct Task {
  std::string name;
  FileKind kind = FileKind::tsv;
  Columns columns;
  std::string prompt = {};                    // LM-BFF's grammar; Template::lmbff reads it
  std::vector<std::string> label_words = {};  // one for each of columns.labels, without leading space
  Limits limits = {};
  std::vector<Metric> metrics = {Metric::accuracy};  // the first one chooses the best checkpoint
  std::string dev = "dev";                           // stem of the development file in a k-shot folder
  std::string test = "test";                         // stem of the main test file

  const std::vector<std::string>& labels() const { return columns.labels; }
  bool pair() const { return columns.text_b.has_value(); }
  bool regression() const { return columns.score.has_value(); }
};

}  // namespace cloze
