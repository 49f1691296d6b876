// Columns: where the parts of an Example stand in a row of a table, and which labels the rows may carry.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/data/example.hpp>

namespace cloze {

/// A column, by position (from 0; -1 is the row's last) or by its name in the header line (JSON Lines: the key).
class Column {
 public:
  template <std::integral I>
  constexpr Column(I position) : position_(static_cast<Index>(position)) {}
  Column(std::string name) : name_(std::move(name)), named_(true) {}
  Column(const char* name) : Column(std::string(name)) {}

  bool named() const noexcept { return named_; }
  const std::string& name() const noexcept { return name_; }
  Index position() const noexcept { return position_; }
  std::string text() const { return named_ ? "\"" + name_ + "\"" : formatted("{}", position_); }

 private:
  Index position_ = 0;
  std::string name_;
  bool named_ = false;
};

/// The least and the greatest score of a regression task.
struct Bounds {
  float lower = 0;
  float upper = 1;
};

/// How to read rows: `read_csv("reviews.csv", {.text_a = "review", .label = "stars", .labels = {"1", "2"}, .header =
/// true})`.
struct Columns {
  Column text_a = 0;
  std::optional<Column> text_b = {};
  std::optional<Column> label = {};
  std::optional<Column> score = {};
  std::vector<std::pair<std::string, Column>> meta = {};  // meta key, column
  std::vector<std::string> labels = {};                   // every label a row may carry, in the order of their LabelIds
  std::optional<Bounds> bounds = {};                      // scores outside are errors
  bool header = false;                                    // the first line names the columns (TSV and CSV)
};

namespace detail {

/// The label's id. Throws [cloze.data.3] where the labels do not contain it.
inline LabelId find_label(const std::vector<std::string>& labels, std::string_view found, std::string_view where) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] == found) return static_cast<LabelId>(i);
  std::string known;
  for (const std::string& label : labels) known += (known.empty() ? "\"" : ", \"") + label + "\"";
  fail("cloze.data.3", "{}: label \"{}\" is not one of {}", where, found, known);
}

inline std::optional<float> parse_float(std::string_view text) {
  float number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

/// Throws [cloze.data.4] unless `score` lies within the bounds (NaN does not).
inline float check_score(float score, const std::optional<Bounds>& bounds, std::string_view where) {
  if (bounds)
    require(score >= bounds->lower && score <= bounds->upper, "cloze.data.4", "{}: score {} is outside [{}, {}]", where,
            score, bounds->lower, bounds->upper);
  return score;
}

/// Columns matched with a header: positions only, checked once for the whole file.
class RowReader {
 public:
  /// Errors: [cloze.data.5] a name without header, an unknown or repeated name, a label column without labels.
  RowReader(const Columns& columns, const std::optional<std::vector<std::string>>& header, std::string_view file)
      : columns_(columns), header_(header), file_(file) {
    require(!columns.label || !columns.labels.empty(), "cloze.data.5",
            "{}: a label column needs the list of labels that rows may carry", file);
    text_a_ = resolve(columns.text_a);
    if (columns.text_b) text_b_ = resolve(*columns.text_b);
    if (columns.label) label_ = resolve(*columns.label);
    if (columns.score) score_ = resolve(*columns.score);
    for (const auto& [key, column] : columns.meta) meta_.push_back(resolve(column));
    if (header) check_header(*header);
  }

  /// Errors: [cloze.data.2] too few columns; [cloze.data.3] a label not in the list; [cloze.data.4] a score that is not
  /// a number or out of bounds.
  Example read(const std::vector<std::string>& fields, Index line) const {
    const std::string where = formatted("{}:{}", file_, line);
    Example example{.text_a = field(fields, text_a_, "text_a", where)};
    if (text_b_) example.text_b = field(fields, *text_b_, "text_b", where);
    if (label_) example.label = find_label(columns_.labels, field(fields, *label_, "label", where), where);
    if (score_) {
      const std::string& text = field(fields, *score_, "score", where);
      const auto score = parse_float(text);
      require(score.has_value(), "cloze.data.4", "{}: score \"{}\" is not a number", where, text);
      example.score = check_score(*score, columns_.bounds, where);
    }
    for (std::size_t i = 0; i < meta_.size(); ++i)
      example.meta[columns_.meta[i].first] = field(fields, meta_[i], columns_.meta[i].first, where);
    example.source = where;
    return example;
  }

 private:
  Index resolve(const Column& column) const {
    if (!column.named()) {
      require(column.position() >= -1, "cloze.data.5", "{}: column {}: wanted 0 or more, or -1 for the last", file_,
              column.position());
      return column.position();
    }
    require(header_.has_value(), "cloze.data.5",
            "{}: column \"{}\" is named, but the file is read without a header line", file_, column.name());
    Index found = -1;
    for (std::size_t i = 0; i < header_->size(); ++i) {
      if ((*header_)[i] != column.name()) continue;
      require(found < 0, "cloze.data.5", "{}:1: two columns are named \"{}\"", file_, column.name());
      found = static_cast<Index>(i);
    }
    require(found >= 0, "cloze.data.5", "{}:1: no column is named \"{}\"", file_, column.name());
    return found;
  }

  // A file without its header line would silently lose its first example.
  void check_header(const std::vector<std::string>& header) const {
    const auto cell = [&](Index column) -> std::string_view {
      const Index at = column < 0 ? static_cast<Index>(header.size()) - 1 : column;
      return at >= 0 && at < static_cast<Index>(header.size()) ? std::string_view(header[static_cast<std::size_t>(at)])
                                                               : "";
    };
    if (label_)
      for (const std::string& label : columns_.labels)
        require(columns_.label->named() || cell(*label_) != label, "cloze.data.5",
                "{}:1: wanted a header line, found an example with label \"{}\"", file_, label);
    if (score_)
      require(columns_.score->named() || !parse_float(cell(*score_)), "cloze.data.5",
              "{}:1: wanted a header line, found an example with score {}", file_, cell(*score_));
  }

  const std::string& field(const std::vector<std::string>& fields, Index column, std::string_view role,
                           std::string_view where) const {
    const Index count = static_cast<Index>(fields.size());
    const Index at = column < 0 ? count - 1 : column;
    bool ok = at >= 0 && at < count;
    // "The last column" of a row cut short is one of the texts.
    if (column < 0 && ok) ok = at != text_a_ && at != text_b_.value_or(-1);
    require(ok, "cloze.data.2", "{}: too few columns for {}: wanted column {}, found {} columns", where, role,
            column < 0 ? "-1 (the last, after the texts)" : formatted("{}", column), count);
    return fields[static_cast<std::size_t>(at)];
  }

  const Columns& columns_;
  const std::optional<std::vector<std::string>>& header_;
  std::string file_;
  Index text_a_ = 0;
  std::optional<Index> text_b_, label_, score_;
  std::vector<Index> meta_;
};

/// A table's rows as examples; each row is {line, fields}. Errors: RowReader's; [cloze.data.5] no header line.
template <class Rows>
std::vector<Example> read_rows(const Rows& rows, const Columns& columns, std::string_view file) {
  require(!columns.header || !rows.empty(), "cloze.data.5", "{}: wanted a header line, found an empty file", file);
  std::optional<std::vector<std::string>> header;
  if (columns.header) header = rows.front().fields;
  const RowReader reader(columns, header, file);
  std::vector<Example> examples;
  examples.reserve(rows.size());
  for (std::size_t i = columns.header ? 1 : 0; i < rows.size(); ++i)
    examples.push_back(reader.read(rows[i].fields, rows[i].line));
  return examples;
}

}  // namespace detail

/// One row of a table and the line on which it begins.
struct Row {
  Index line = 0;  // from 1
  std::vector<std::string> fields;
};

}  // namespace cloze
