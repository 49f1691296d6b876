// Table: rows of text under a header, as aligned text, Markdown or CSV.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/data/csv.hpp>

namespace cloze {

namespace detail {

/// Code points of UTF-8 text: what a column of a fixed-width font is counted in (wide East Asian letters apart).
inline std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// The text on one line.
inline std::string on_one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return line;
}

}  // namespace detail

/// Cells are any UTF-8 text. The first `left` columns are set flush left, the others flush right.
///   Table table({"task", "accuracy"});
///   table.add({"SST-2", "74.1 (2.1)"});
///   std::puts(table.text().c_str());
class Table {
 public:
  /// Throws [cloze.report.2] where the header is empty.
  explicit Table(std::vector<std::string> header, std::size_t left = 1) : header_(std::move(header)), left_(left) {
    require(!header_.empty(), "cloze.report.2", "a table without columns");
  }

  /// Throws [cloze.report.2] where the row has not one cell for each column.
  void add(std::vector<std::string> row) {
    require(row.size() == header_.size(), "cloze.report.2", "row {} has {} cells, and the table has {} columns",
            rows_.size(), row.size(), header_.size());
    rows_.push_back(std::move(row));
  }

  const std::vector<std::string>& header() const { return header_; }
  const std::vector<std::vector<std::string>>& rows() const { return rows_; }

  /// For a terminal: columns two blanks apart, a rule below the header.
  std::string text() const {
    const auto widths = column_widths(detail::on_one_line);
    std::string out = line(header_, widths, "", "  ", "", detail::on_one_line);
    std::size_t total = 2 * (widths.size() - 1);
    for (const std::size_t width : widths) total += width;
    out += std::string(total, '-') + "\n";
    for (const auto& row : rows_) out += line(row, widths, "", "  ", "", detail::on_one_line);
    return out;
  }

  /// A Markdown table, aligned in the source too; `|`, `\`, `<` and `&` in cells are escaped.
  std::string markdown() const {
    const auto widths = column_widths(markdown_cell);
    std::string out = line(header_, widths, "| ", " | ", " |", markdown_cell);
    for (std::size_t i = 0; i < widths.size(); ++i)
      out += "|" + std::string(i < left_ ? ":" : "-") + std::string(widths[i], '-') + (i < left_ ? "-" : ":");
    out += "|\n";
    for (const auto& row : rows_) out += line(row, widths, "| ", " | ", " |", markdown_cell);
    return out;
  }

  /// RFC 4180 with "\n": a field with a comma, a quote or a line break is quoted.
  std::string csv() const {
    std::string out = csv_line(header_);
    for (const auto& row : rows_) out += csv_line(row);
    return out;
  }

 private:
  using Cell = std::string (*)(std::string_view);

  static std::string markdown_cell(std::string_view text) {
    std::string out;
    for (const char c : detail::on_one_line(text)) {
      if (c == '|' || c == '\\') out += '\\';
      if (c == '<') {
        out += "&lt;";
      } else if (c == '&') {
        out += "&amp;";
      } else {
        out += c;
      }
    }
    return out;
  }

  std::vector<std::size_t> column_widths(Cell cell) const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < header_.size(); ++i) {
      std::size_t width = detail::columns_of(cell(header_[i]));
      for (const auto& row : rows_) width = std::max(width, detail::columns_of(cell(row[i])));
      widths.push_back(width);
    }
    return widths;
  }

  std::string line(const std::vector<std::string>& row, const std::vector<std::size_t>& widths, std::string_view before,
                   std::string_view between, std::string_view after, Cell cell) const {
    std::string out(before);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string text = cell(row[i]);
      const std::string blanks(widths[i] - detail::columns_of(text), ' ');
      if (i > 0) out += between;
      out += i < left_ ? text + blanks : blanks + text;
    }
    out += after;
    while (out.ends_with(' ')) out.pop_back();
    return out + "\n";
  }

  static std::string csv_line(const std::vector<std::string>& row) {
    std::string out;
    for (std::size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + csv_field(row[i]);
    return out + "\n";
  }

  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  std::size_t left_;
};

}  // namespace cloze
