// k-shot splits drawn from a full training set exactly as LM-BFF's generate_k_shot_data.py draws them, to the byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>
#include <cloze/core/numpy_random.hpp>
#include <cloze/data/csv.hpp>
#include <cloze/data/task.hpp>
#include <cloze/data/tsv.hpp>

namespace cloze {

/// A data file, row by row as it will be written again: byte-order mark and header kept, CSV quoting normalised.
struct RawRows {
  struct Entry {
    std::string bytes;      // with its "\n"
    std::size_t group = 0;  // label, or 0 and 1 for scores below and from the middle of the bounds
  };
  std::string header;  // with its "\n"; empty where there is none
  std::vector<Entry> entries;

  /// Header and these rows: the content of a file.
  static std::string file(std::string_view header, std::span<const std::string> rows) {
    std::string bytes(header);
    for (const std::string& row : rows) bytes += row;
    return bytes;
  }
};

/// Reads a TSV or CSV file of the task without giving up its bytes. Every row is checked as read_examples does.
/// Errors: the reader's; [cloze.data.10] a JSON Lines task.
inline RawRows read_raw_rows(const std::filesystem::path& path, const Task& task) {
  require(task.kind != FileKind::jsonl, "cloze.data.10", "{}: k-shot splits are drawn from TSV and CSV files",
          task.name);
  const std::string bytes = read_file(path);
  detail::check_utf8(bytes, path.string());
  const std::string_view text = detail::without_bom(bytes);
  const std::vector<Row> rows = task.kind == FileKind::csv ? parse_csv(text, path.string()) : parse_tsv(text);
  const auto examples = detail::read_rows(rows, task.columns, path.string());
  RawRows raw;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string line;
    for (const std::string& field : rows[i].fields) {
      if (&field != &rows[i].fields.front()) line += task.kind == FileKind::csv ? ',' : '\t';
      line += task.kind == FileKind::csv ? csv_field(field) : field;
    }
    line += '\n';
    if (i == 0) line.insert(0, bytes.substr(0, bytes.size() - text.size()));
    if (task.columns.header && i == 0) {
      raw.header = std::move(line);
      continue;
    }
    const Example& example = examples[i - (task.columns.header ? 1 : 0)];
    const Bounds bounds = task.columns.bounds.value_or(Bounds{});
    const std::size_t group = example.label   ? static_cast<std::size_t>(value(*example.label))
                              : example.score ? (*example.score < (bounds.lower + bounds.upper) / 2 ? 0 : 1)
                                              : 0;
    raw.entries.push_back({std::move(line), group});
  }
  return raw;
}

struct KShotSplit {
  std::vector<std::string> train;  // rows, as RawRows::Entry::bytes
  std::vector<std::string> dev;
};

struct KShotSplitOptions {
  Index k = 16;        // examples a class
  Index dev_rate = 1;  // development examples a class, in multiples of k; LM-BFF's "k-shot-10x" is 10
};

/// Splits rows that are already in random order: classes in the order of their first row, of each class the first k
/// rows to train and the next dev_rate * k for development. Throws [cloze.data.11] where a class has too few rows.
inline KShotSplit split_in_order(std::span<const RawRows::Entry> shuffled, const Task& task,
                                 const KShotSplitOptions& options) {
  require(options.k > 0 && options.dev_rate > 0 && options.k <= (Index{1} << 40) / options.dev_rate, "cloze.data.11",
          "a k-shot split with k = {} and {} times as many for development", options.k, options.dev_rate);
  std::vector<std::size_t> order;
  std::map<std::size_t, std::vector<const std::string*>> groups;
  for (const auto& entry : shuffled) {
    auto& group = groups[entry.group];
    if (group.empty()) order.push_back(entry.group);
    group.push_back(&entry.bytes);
  }
  const auto k = static_cast<std::size_t>(options.k);
  const std::size_t wanted = k * static_cast<std::size_t>(1 + options.dev_rate);
  const std::size_t classes = task.regression() ? 2 : task.labels().size();
  for (std::size_t label = 0; label < classes; ++label)
    require(groups[label].size() >= wanted, "cloze.data.11",
            "{}: class {} has {} rows, wanted {} ({} to train, {} for development)", task.name,
            label < task.labels().size() ? task.labels()[label] : std::to_string(label), groups[label].size(), wanted,
            k, wanted - k);
  KShotSplit split;
  for (const std::size_t label : order) {
    const auto& rows = groups[label];
    for (std::size_t i = 0; i < k; ++i) split.train.push_back(*rows[i]);
    for (std::size_t i = k; i < wanted; ++i) split.dev.push_back(*rows[i]);
  }
  return split;
}

/// The split of one seed: numpy's legacy shuffle of all rows, then split_in_order.
inline KShotSplit kshot_split(const RawRows& all, const Task& task, std::uint32_t seed,
                              const KShotSplitOptions& options = {}) {
  auto rows = all.entries;
  NumpyRandom(seed).shuffle(rows);
  return split_in_order(rows, task, options);
}

/// LM-BFF's published seeds in the order of its script.
inline const std::vector<std::uint32_t>& lmbff_seeds() {
  static const std::vector<std::uint32_t> seeds{100, 13, 21, 42, 87};
  return seeds;
}

struct KShotSplitsCompat {
  /// LM-BFF's script shuffles a headerless TSV (CoLA) in place, so each seed starts from the order that the seed before
  /// left. Its published CoLA files need this and the order of lmbff_seeds(). false: every seed starts from the file's
  /// order.
  bool cumulative_headerless_shuffle = false;
};

/// The splits of several seeds, in the order of `seeds`.
inline std::vector<KShotSplit> kshot_splits(const RawRows& all, const Task& task, std::span<const std::uint32_t> seeds,
                                            const KShotSplitOptions& options = {},
                                            const KShotSplitsCompat& compat = {}) {
  const bool cumulative = compat.cumulative_headerless_shuffle && task.kind == FileKind::tsv && !task.columns.header;
  std::vector<KShotSplit> splits;
  auto rows = all.entries;
  for (const std::uint32_t seed : seeds) {
    if (!cumulative) rows = all.entries;
    NumpyRandom(seed).shuffle(rows);
    splits.push_back(split_in_order(rows, task, options));
  }
  return splits;
}

/// Writes train and dev below `folder` (made where it is missing), as read_kshot reads them. Errors: [cloze.file.3] not
/// writable.
inline void write_kshot(const std::filesystem::path& folder, const KShotSplit& split, const RawRows& source,
                        const Task& task) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  write_file_atomically(folder / (std::string("train") + extension(task.kind)),
                        RawRows::file(source.header, split.train));
  write_file_atomically(folder / (task.dev + extension(task.kind)), RawRows::file(source.header, split.dev));
}

}  // namespace cloze
