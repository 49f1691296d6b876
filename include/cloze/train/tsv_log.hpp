// TsvLog: a table that grows by a row now and then, and can be taken up again after a crash.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

/// A text file: a line of column names, then lines of numbers, tabs between. The first column is the step. Each row
/// reaches the file as it is added, so that it can be watched.
class TsvLog {
 public:
  /// Goes on with the file at `path` if it is there: rows beyond `last_step` (of a run that was killed after its last
  /// checkpoint) and a half line are dropped. Errors: [cloze.tsv_log.1] no column, or a file with other columns;
  /// [cloze.file.3] it cannot be written.
  TsvLog(std::filesystem::path path, std::vector<std::string> columns, Index last_step = 0)
      : path_(std::move(path)), columns_(std::move(columns)) {
    require(!columns_.empty(), "cloze.tsv_log.1", "{}: a log without columns", path_.string());
    std::string head;
    for (const std::string& column : columns_) head += (head.empty() ? "" : "\t") + column;
    std::string kept = head + "\n";
    if (std::filesystem::exists(path_)) {
      const std::string text = read_file(path_);
      const std::string_view all(text);
      const std::size_t first = all.find('\n');
      require(all.empty() || all.substr(0, first) == head, "cloze.tsv_log.1",
              "{}: wanted the columns \"{}\", found \"{}\"", path_.string(), head, all.substr(0, first));
      std::size_t at = first;
      while (at != all.npos) {
        const std::size_t end = all.find('\n', at + 1);
        if (end == all.npos) break;
        const std::string row(all.substr(at + 1, end - at));
        if (std::strtod(row.c_str(), nullptr) <= static_cast<double>(last_step)) kept += row;
        at = end;
      }
    }
    write_file_atomically(path_, kept);
  }

  /// Errors: [cloze.tsv_log.2] not a number for each column; [cloze.file.3] the row cannot be written.
  void add(std::span<const double> row) {
    require(row.size() == columns_.size(), "cloze.tsv_log.2", "{}: a row of {} numbers for {} columns", path_.string(),
            row.size(), columns_.size());
    std::string line;
    for (const double value : row) line += formatted("{}{:.8g}", line.empty() ? "" : "\t", value);
    line += "\n";
    std::FILE* file = std::fopen(path_.c_str(), "ab");
    const bool written = file && std::fwrite(line.data(), 1, line.size(), file) == line.size();
    const bool closed = file && std::fclose(file) == 0;
    require(written && closed, "cloze.file.3", "{}: a row could not be written: {}", path_.string(),
            std::strerror(errno));
  }
  void add(std::initializer_list<double> row) { add(std::span<const double>(row.begin(), row.size())); }

  const std::filesystem::path& path() const { return path_; }
  const std::vector<std::string>& columns() const { return columns_; }

 private:
  std::filesystem::path path_;
  std::vector<std::string> columns_;
};

/// The columns of such a file, or of any table of numbers with a line of names.
struct NumberTable {
  std::vector<std::string> names = {};
  std::vector<std::vector<double>> columns = {};  // [names][rows]; NaN where a cell is no number

  /// Errors: [cloze.tsv_log.3] no such column.
  const std::vector<double>& operator[](std::string_view name) const {
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == name) return columns[i];
    fail("cloze.tsv_log.3", "no column \"{}\" among {}", name, names.size());
  }
};

/// Errors: [cloze.tsv_log.3] a row with another number of cells than there are names; read_file's.
inline NumberTable read_tsv_log(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  NumberTable table;
  std::size_t line = 0;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view row = std::string_view(text).substr(at, end - at);
    at = end + 1;
    std::vector<std::string> cells{""};
    for (const char c : row) {
      if (c == '\t')
        cells.emplace_back();
      else
        cells.back() += c;
    }
    if (line == 0) {
      table.names = std::move(cells);
      table.columns.resize(table.names.size());
      continue;
    }
    require(cells.size() == table.names.size(), "cloze.tsv_log.3", "{}:{}: {} cells, the first line has {}",
            path.string(), line + 1, cells.size(), table.names.size());
    for (std::size_t i = 0; i < cells.size(); ++i) {
      char* stopped = nullptr;
      const double value = std::strtod(cells[i].c_str(), &stopped);
      table.columns[i].push_back(cells[i].empty() || *stopped != '\0' ? std::nan("") : value);
    }
  }
  return table;
}

}  // namespace cloze
