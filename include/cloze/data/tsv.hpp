// Tab-separated values as GLUE has them: never quoted, a quote is text.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/data/columns.hpp>
#include <cloze/data/example.hpp>
#include <cloze/data/text_file.hpp>

namespace cloze {

/// The fields between tabs.
inline std::vector<std::string> split_tabs(std::string_view line) {
  std::vector<std::string> fields;
  for (;;) {
    const std::size_t tab = line.find('\t');
    fields.emplace_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

/// Every line of `text`, the header line included. Lines may differ in their number of fields.
inline std::vector<Row> parse_tsv(std::string_view text) {
  std::vector<Row> rows;
  detail::for_each_line(text, [&](Index line, std::string_view content) {
    rows.push_back({line, split_tabs(content)});
  });
  return rows;
}

/// Reads a TSV file. Errors: read_text's; [cloze.data.2] too few columns; [cloze.data.3] a label not in columns.labels;
/// [cloze.data.4] a bad score; [cloze.data.5] the header. All name file:line.
inline std::vector<Example> read_tsv(const std::filesystem::path& path, const Columns& columns) {
  return detail::read_rows(parse_tsv(read_text(path)), columns, path.string());
}

}  // namespace cloze
