// Comma-separated values: RFC 4180, strictly.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/data/columns.hpp>
#include <cloze/data/example.hpp>
#include <cloze/data/text_file.hpp>

namespace cloze {

/// Every record of `text`, the header included. A quoted field may hold commas, line ends and doubled quotes; LF or CR
/// LF ends a record. `name` stands for the text in errors. Errors: [cloze.data.6] a quote that is never closed, inside
/// an unquoted field, or followed by more text; [cloze.data.2] records of different numbers of fields.
inline std::vector<Row> parse_csv(std::string_view text, std::string_view name) {
  std::vector<Row> rows;
  Index line = 1;
  std::size_t at = 0;
  const auto at_line_end = [&] {
    return at < text.size() && (text[at] == '\n' || (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n'));
  };
  while (at < text.size()) {
    Row row{line, {}};
    for (;;) {
      std::string field;
      if (at < text.size() && text[at] == '"') {
        const Index opened = line;
        ++at;
        for (;;) {
          require(at < text.size(), "cloze.data.6", "{}:{}: a quoted field begins here and is never closed", name,
                  opened);
          if (text[at] == '"') {
            if (at + 1 >= text.size() || text[at + 1] != '"') break;
            ++at;
          } else if (text[at] == '\n') {
            ++line;
          }
          field += text[at++];
        }
        ++at;
        require(at >= text.size() || text[at] == ',' || at_line_end(), "cloze.data.6",
                "{}:{}: text after the closing quote of a field (a quote inside a field is written twice)", name, line);
      } else {
        while (at < text.size() && text[at] != ',' && !at_line_end()) {
          require(text[at] != '"', "cloze.data.6", "{}:{}: a quote inside an unquoted field", name, line);
          field += text[at++];
        }
      }
      row.fields.push_back(std::move(field));
      if (at >= text.size() || text[at] != ',') break;
      ++at;
    }
    if (at < text.size()) {
      at += text[at] == '\r' ? 2 : 1;
      ++line;
    }
    require(rows.empty() || row.fields.size() == rows.front().fields.size(), "cloze.data.2",
            "{}:{}: wanted {} columns as in line {}, found {}", name, row.line,
            rows.empty() ? 0 : rows.front().fields.size(), rows.empty() ? 0 : rows.front().line, row.fields.size());
    rows.push_back(std::move(row));
  }
  return rows;
}

/// A field as RFC 4180 writes it: quoted only where it must be.
inline std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// Reads a CSV file. Errors: read_text's and parse_csv's; [cloze.data.2] too few columns; [cloze.data.3] a label not in
/// columns.labels; [cloze.data.4] a bad score; [cloze.data.5] the header. All name file:line.
inline std::vector<Example> read_csv(const std::filesystem::path& path, const Columns& columns) {
  return detail::read_rows(parse_csv(read_text(path), path.string()), columns, path.string());
}

}  // namespace cloze
