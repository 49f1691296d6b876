// JSON Lines: one object a line, columns are keys.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/data/columns.hpp>
#include <cloze/data/example.hpp>
#include <cloze/data/text_file.hpp>

namespace cloze {

namespace detail {

/// A value as text: strings as they are; where `plain`, integers and booleans as JSON writes them, else any value so.
inline std::string json_text(const nlohmann::json& object, std::string_view key, std::string_view where, bool plain) {
  const auto value = json_get<nlohmann::json>(object, key, where);
  if (value.is_string()) return value.get<std::string>();
  require(!plain || value.is_number_integer() || value.is_boolean(), "cloze.json.2",
          "{}: \"{}\": wanted a string, an integer or a boolean, found {}", where, key, value.type_name());
  return value.dump();
}

}  // namespace detail

/// The examples in JSON Lines `text`; `name` stands for it in errors. Labels may be strings, integers or booleans
/// (written "true" and "false" in columns.labels); a text must be a string; meta takes any value. Errors:
/// [cloze.json.1] broken JSON, [cloze.json.2] a key absent or of another type, [cloze.data.3] a label not in
/// columns.labels, [cloze.data.4] a score out of bounds, [cloze.data.5] a column given by position, or labels not
/// listed. All name file:line.
inline std::vector<Example> parse_jsonl(std::string_view text, const Columns& columns, std::string_view name) {
  const auto key = [&](const Column& column) -> const std::string& {
    require(column.named(), "cloze.data.5", "{}: column {}: JSON Lines need a key, not a position", name,
            column.text());
    return column.name();
  };
  require(!columns.label || !columns.labels.empty(), "cloze.data.5",
          "{}: a label column needs the list of labels that rows may carry", name);
  std::vector<Example> examples;
  detail::for_each_line(text, [&](Index line, std::string_view content) {
    const std::string where = formatted("{}:{}", name, line);
    const nlohmann::json object = parse_json(content, where);
    Example example{.text_a = json_get<std::string>(object, key(columns.text_a), where)};
    if (columns.text_b) example.text_b = json_get<std::string>(object, key(*columns.text_b), where);
    if (columns.label)
      example.label =
          detail::find_label(columns.labels, detail::json_text(object, key(*columns.label), where, true), where);
    if (columns.score)
      example.score = detail::check_score(json_get<float>(object, key(*columns.score), where), columns.bounds, where);
    for (const auto& [name_of, column] : columns.meta)
      example.meta[name_of] = detail::json_text(object, key(column), where, false);
    example.source = where;
    examples.push_back(std::move(example));
  });
  return examples;
}

/// Reads a JSON Lines file. Errors: read_text's and parse_jsonl's.
inline std::vector<Example> read_jsonl(const std::filesystem::path& path, const Columns& columns) {
  return parse_jsonl(read_text(path), columns, path.string());
}

}  // namespace cloze
