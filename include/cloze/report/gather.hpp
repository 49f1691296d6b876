// gather: the records of a sweep as one table: for each seed the grid point that dev chose, over seeds mean, standard
// deviation and median, as LM-BFF's gather_result.py does it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/data/tasks.hpp>
#include <cloze/methods/lm_bff_method.hpp>
#include <cloze/report/bar_chart.hpp>
#include <cloze/report/table.hpp>

namespace cloze {

/// Over seeds; the deviation is that of the population (division by n), as in LM-BFF's tables.
struct SeedStatistics {
  std::size_t count = 0;
  double mean = 0, deviation = 0, median = 0, lowest = 0, highest = 0;
};

/// Throws [cloze.results.1] where there are no values.
inline SeedStatistics seed_statistics(std::vector<double> values) {
  require(!values.empty(), "cloze.results.1", "statistics over no values");
  std::ranges::sort(values);
  const auto n = static_cast<double>(values.size());
  SeedStatistics found{.count = values.size(), .lowest = values.front(), .highest = values.back()};
  for (const double value : values) found.mean += value / n;
  for (const double value : values) found.deviation += (value - found.mean) * (value - found.mean) / n;
  found.deviation = std::sqrt(found.deviation);
  const std::size_t middle = values.size() / 2;
  found.median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return found;
}

/// A line of the table: one metric on one test set of a task.
struct GatheredRow {
  std::string task, test, metric;
  bool primary = false;  // the metric that dev chose by
};

/// A column: a method, with its settings where the file holds several of it.
struct GatheredColumn {
  std::string method, settings, title;
};

struct Gathered {
  std::vector<GatheredRow> rows;
  std::vector<GatheredColumn> columns;
  std::vector<std::vector<std::vector<double>>> values;  // [rows][columns][seeds] in [0, 1] (correlations: [-1, 1])
  std::vector<std::string> notes;  // what a reader of the table must know: samples, seeds that are missing, failures

  /// Nothing where no seed has a value.
  std::optional<SeedStatistics> statistics(std::size_t row, std::size_t column) const {
    const auto& found = values[row][column];
    return found.empty() ? std::nullopt : std::optional(seed_statistics(found));
  }
};

namespace detail {

struct GatheredRecord {
  const nlohmann::json* record = nullptr;
  double dev = 0;
  Index batch = 0;
  double lr = 0;

  /// The better grid point: a higher dev score; of equal ones the smaller batch, then the lower rate (the order in
  /// which LM-BFF tries them, and it keeps the first).
  bool better_than(const GatheredRecord& other) const {
    return std::tuple(-dev, batch, lr) < std::tuple(-other.dev, other.batch, other.lr);
  }
};

/// Settings that are the grid's, or are no settings.
inline bool is_no_setting(const std::string& key) {
  static const std::set<std::string> keys{"task", "method",   "data",  "seed",     "batch",
                                          "lr",   "template", "words", "task_hash"};
  return keys.contains(key);
}

/// `key value, …` of the settings in which variants of a method differ.
inline std::string differing(const nlohmann::json& settings, const std::vector<nlohmann::json>& variants) {
  std::string text;
  for (const auto& [key, value] : settings.items()) {
    const bool differs = std::ranges::any_of(
        variants, [&](const nlohmann::json& other) { return !other.contains(key) || other.at(key) != value; });
    if (differs)
      text += (text.empty() ? "" : ", ") + key + " " + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

template <class T, class Known>
std::size_t place_of(const T& value, const Known& known) {
  return static_cast<std::size_t>(std::ranges::find(known, value) - std::ranges::begin(known));
}

}  // namespace detail

/// The last finished record of each run counts; failed runs are noted. Tasks and methods come in LM-BFF's order, others
/// after them by name. Errors: [cloze.results.1] no finished run; [cloze.results.2] runs of one task with different
/// templates, words or data; [cloze.json.2] a record that is not one of a sweep.
inline Gathered gather(std::span<const nlohmann::json> records) {
  using nlohmann::json;
  std::map<std::string, const json*> finished;
  std::map<std::string, std::string> failed;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::string where = formatted("record {}", i + 1);
    const std::string identity = json_get<json>(records[i], "run", where).dump();
    if (records[i].contains("error")) {
      failed[identity] = json_get<std::string>(records[i], "error", where);
    } else {
      finished[identity] = &records[i];
    }
  }
  require(!finished.empty(), "cloze.results.1", "no finished run among {} records", records.size());

  // Of each task, method with settings, and seed: the record that dev chose.
  struct MethodColumn {
    std::string method;
    json settings;
  };
  std::map<std::string, MethodColumn> variants;                                                // by method and settings
  std::map<std::tuple<std::string, std::string, std::string>, detail::GatheredRecord> chosen;  // task, variant, seed
  std::map<std::string, std::string> versions;  // of a task, and of its data for a seed
  for (const auto& [identity, record] : finished) {
    const std::string where = "run " + identity;
    const json& run = record->at("run");
    const auto task = json_get<std::string>(run, "task", where), method = json_get<std::string>(run, "method", where);
    json settings = json::object();
    for (const auto& [key, value] : run.items())
      if (!detail::is_no_setting(key)) settings[key] = value;
    const std::string variant = method + " " + settings.dump();
    variants.emplace(variant, MethodColumn{method, settings});
    const std::string seed = run.contains("seed") ? run.at("seed").dump() : json_get<std::string>(run, "data", where);
    const auto same = [&](const std::string& key, const std::string& what) {
      if (!run.contains(key)) return;
      const auto version = json_get<std::string>(run, key, where);
      const std::string& first = versions.emplace(what, version).first->second;
      require(first == version, "cloze.results.2",
              "there are runs of {} in two versions ({} {} and {}): they cannot stand in one table", what, key, first,
              version);
    };
    same("task_hash", task);
    if (run.contains("seed")) same("data", task + " seed " + seed);
    const detail::GatheredRecord found{.record = record,
                                       .dev = json_get_or<double>(*record, "dev", -2, where),
                                       .batch = json_get_or<Index>(run, "batch", 0, where),
                                       .lr = json_get_or<double>(run, "lr", 0, where)};
    const auto [at, fresh] = chosen.emplace(std::tuple(task, variant, seed), found);
    if (!fresh && found.better_than(at->second)) at->second = found;
  }

  Gathered result;
  std::vector<std::string> task_order;
  for (const Task& task : tasks::all()) task_order.push_back(task.name);
  std::vector<std::pair<std::size_t, std::string>> columns;
  for (const auto& [variant, column] : variants)
    columns.emplace_back(detail::place_of(column.method, lm_bff_method_names), variant);
  std::ranges::sort(columns);
  std::map<std::string, std::size_t> column_of;
  for (const auto& [place, variant] : columns) {
    const MethodColumn& column = variants.at(variant);
    std::vector<json> alike;
    for (const auto& [other, candidate] : variants)
      if (candidate.method == column.method) alike.push_back(candidate.settings);
    const std::string settings = detail::differing(column.settings, alike);
    column_of[variant] = result.columns.size();
    result.columns.push_back(
        {column.method, settings, settings.empty() ? column.method : column.method + " (" + settings + ")"});
  }

  using RowKey = std::tuple<std::size_t, std::string, std::size_t, std::string, bool, std::string>;
  std::map<RowKey, std::map<std::pair<std::size_t, std::string>, double>> cells;  // row -> column, seed -> value
  std::set<std::string> samples;
  for (const auto& [key, found] : chosen) {
    const auto& [task, variant, seed] = key;
    const std::string where = "run " + found.record->at("run").dump();
    const auto primary = json_get_or<std::string>(*found.record, "metric", "", where);
    const auto tests = json_get<std::vector<json>>(*found.record, "tests", where);
    for (std::size_t i = 0; i < tests.size(); ++i) {
      const auto name = json_get<std::string>(tests[i], "name", where);
      const auto examples = json_get<Index>(tests[i], "examples", where), of = json_get<Index>(tests[i], "of", where);
      if (examples < of) samples.insert(formatted("{}: a sample of {} of {} test examples", name, examples, of));
      const auto scores = json_get<json>(tests[i], "scores", where);  // items() refers to it
      for (const auto& [metric, value] : scores.items())
        if (const RowKey row{detail::place_of(task, task_order), task, i, name, metric != primary, metric};
            value.is_number()) {
          cells[row][{column_of.at(variant), seed}] = value.get<double>();
        } else {
          cells[row];
          samples.insert(formatted("{}, {}, seed {}: {} is not defined (all answers are equal)", name,
                                   result.columns[column_of.at(variant)].title, seed, metric));
        }
    }
  }
  for (const auto& [row, found] : cells) {
    const auto& [place, task, test, name, secondary, metric] = row;
    result.rows.push_back({task, name, metric, !secondary});
    auto& values = result.values.emplace_back(result.columns.size());
    for (const auto& [at, value] : found) values[at.first].push_back(value);
  }
  result.notes.assign(samples.begin(), samples.end());

  for (std::size_t column = 0; column < result.columns.size(); ++column) {
    std::size_t most = 0;
    for (const auto& row : result.values) most = std::max(most, row[column].size());
    for (std::size_t row = 0; row < result.rows.size(); ++row)
      if (const std::size_t count = result.values[row][column].size();
          result.rows[row].primary && count > 0 && count < most)
        result.notes.push_back(
            formatted("{}, {}: {} of {} seeds", result.rows[row].test, result.columns[column].title, count, most));
  }
  for (const auto& [identity, error] : failed)
    if (!finished.contains(identity)) result.notes.push_back("failed: " + identity + ": " + error);
  return result;
}

enum class GatheredValue { mean, median };

namespace detail {

inline std::string gathered_row_name(const GatheredRow& row) {
  static const std::map<std::string, std::string> names{
      {"accuracy", "acc"}, {"f1", "F1"}, {"matthews", "Matt."}, {"pearson", "Pear."}, {"spearman", "Spear."}};
  const auto at = names.find(row.metric);
  return row.test + " (" + (at == names.end() ? row.metric : at->second) + ")";
}

}  // namespace detail

/// Rows of tests, columns of methods, in percent: "74.1 (2.1)" is mean and deviation over seeds, a number alone that of
/// one run; or medians. The last row averages the rows of main metrics, for the columns that have them all.
inline Table gathered_table(const Gathered& gathered, GatheredValue kind = GatheredValue::mean) {
  std::vector<std::string> header{"task"};
  for (const GatheredColumn& column : gathered.columns) header.push_back(column.title);
  Table table(std::move(header));
  std::vector<double> sums(gathered.columns.size());
  std::vector<std::size_t> counts(gathered.columns.size());
  std::size_t primary = 0;
  for (std::size_t row = 0; row < gathered.rows.size(); ++row) {
    std::vector<std::string> cells{detail::gathered_row_name(gathered.rows[row])};
    if (gathered.rows[row].primary) ++primary;
    for (std::size_t column = 0; column < gathered.columns.size(); ++column) {
      const auto found = gathered.statistics(row, column);
      if (!found) {
        cells.push_back("–");
        continue;
      }
      const double value = kind == GatheredValue::mean ? found->mean : found->median;
      cells.push_back(kind == GatheredValue::mean && found->count > 1
                          ? formatted("{:.1f} ({:.1f})", 100 * value, 100 * found->deviation)
                          : formatted("{:.1f}", 100 * value));
      if (!gathered.rows[row].primary) continue;
      sums[column] += value;
      ++counts[column];
    }
    table.add(std::move(cells));
  }
  if (primary > 1) {
    std::vector<std::string> cells{"average"};
    for (std::size_t column = 0; column < gathered.columns.size(); ++column)
      cells.push_back(counts[column] == primary ? formatted("{:.1f}", 100 * sums[column] / double(primary)) : "–");
    table.add(std::move(cells));
  }
  return table;
}

/// One line for each number, for other programs: task, test, metric, method, settings, seeds, mean, deviation, median,
/// lowest and highest, in percent.
inline Table gathered_details(const Gathered& gathered) {
  Table table({"task", "test", "metric", "method", "settings", "seeds", "mean", "std", "median", "min", "max"}, 5);
  for (std::size_t row = 0; row < gathered.rows.size(); ++row)
    for (std::size_t column = 0; column < gathered.columns.size(); ++column)
      if (const auto found = gathered.statistics(row, column)) {
        const auto percent = [](double value) { return formatted("{:.3f}", 100 * value); };
        table.add({gathered.rows[row].task, gathered.rows[row].test, gathered.rows[row].metric,
                   gathered.columns[column].method, gathered.columns[column].settings, std::to_string(found->count),
                   percent(found->mean), percent(found->deviation), percent(found->median), percent(found->lowest),
                   percent(found->highest)});
      }
  return table;
}

/// Means with deviations as error bars, of the rows of main metrics. Errors: bar_chart's.
inline SvgDocument gathered_chart(const Gathered& gathered, std::string title) {
  BarChart chart{
      .title = std::move(title), .y_label = "score, mean and standard deviation", .groups = {}, .series = {}};
  for (const GatheredColumn& column : gathered.columns) chart.series.push_back({column.title, {}});
  for (std::size_t row = 0; row < gathered.rows.size(); ++row) {
    if (!gathered.rows[row].primary) continue;
    chart.groups.push_back(detail::gathered_row_name(gathered.rows[row]));
    for (std::size_t column = 0; column < gathered.columns.size(); ++column) {
      const auto found = gathered.statistics(row, column);
      chart.series[column].bars.push_back(found ? std::optional(Bar{100 * found->mean, 100 * found->deviation})
                                                : std::nullopt);
    }
  }
  return bar_chart(chart);
}

}  // namespace cloze
