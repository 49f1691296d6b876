// LM-BFF's files of label words and templates: mappings, templates, and both in one line, read and written.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>
#include <cloze/prompt/mapping_parser.hpp>
#include <cloze/prompt/template.hpp>
#include <cloze/prompt/word_verbalizer.hpp>

namespace cloze {

namespace detail {

/// A string as JSON has it.
inline std::string json_quoted(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      text += formatted("\\u{:04x}", static_cast<int>(c));
    } else {
      text += c;
    }
  }
  return text + "\"";
}

/// Template::lmbff, whose errors then name the place too.
inline Template lmbff_template(std::string_view text, const LmbffOptions& options, const std::string& where) {
  try {
    return Template::lmbff(text, options);
  } catch (const Error& error) {
    const std::string_view message = error.what();
    throw Error(error.id(),
                where + ": " + std::string(message.substr(std::min(message.size(), error.id().size() + 3))));
  }
}

/// Lines with their number from 1, without the space around them and without empty ones.
inline std::vector<std::pair<Index, std::string>> numbered_lines(const std::filesystem::path& path) {
  constexpr std::string_view blank = " \t\r";
  const std::string bytes = read_file(path);
  std::vector<std::pair<Index, std::string>> lines;
  std::string_view rest = bytes;
  for (Index number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    while (!line.empty() && blank.find(line.back()) != blank.npos) line.remove_suffix(1);
    while (!line.empty() && blank.find(line.front()) != blank.npos) line.remove_prefix(1);
    if (!line.empty()) lines.emplace_back(number, line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  require(!lines.empty(), "cloze.mapping.2", "{}: no line in it", path.string());
  return lines;
}

}  // namespace detail

/// A mapping from labels to words, one word each: {'0': 'terrible', '1': 'great'}, {0: "terrible", 1: "great"} or JSON.
/// Returned in the order of `labels`. `where` names it in errors: [cloze.mapping.1] not such a dict, with the column;
/// [cloze.mapping.3] a label that is not the task's, or one of the task's without a word.
inline std::vector<LabelWords> parse_lmbff_mapping(std::string_view text, std::span<const std::string> labels,
                                                   std::string_view where = "mapping") {
  const auto entries = detail::MappingParser(text, where).parse();
  std::string known;
  for (const std::string& label : labels) known += (known.empty() ? "\"" : ", \"") + label + "\"";
  for (const auto& [label, word] : entries)
    require(std::ranges::find(labels, label) != labels.end(), "cloze.mapping.3",
            "{}: \"{}\" is not a label of the task: {}", where, label, known);
  std::vector<LabelWords> words;
  for (const std::string& label : labels) {
    const auto found = std::ranges::find(entries, label, &std::pair<std::string, std::string>::first);
    require(found != entries.end() && !found->second.empty(), "cloze.mapping.3", "{}: no word for label \"{}\"", where,
            label);
    words.push_back({label, {found->second}});
  }
  return words;
}

/// How labels are written: LM-BFF's csv tasks (mr, sst-5, trec, …) have integers for labels, the others strings.
enum class MappingKeys { strings, integers };

/// The mapping as one line of JSON, or, with integers, as a Python dict. Throws [cloze.mapping.4] where a label has not
/// exactly one word, or is no integer where it must be one.
inline std::string lmbff_mapping(std::span<const LabelWords> labels, MappingKeys keys = MappingKeys::strings) {
  std::string text = "{";
  for (const LabelWords& label : labels) {
    require(label.words.size() == 1, "cloze.mapping.4", "label \"{}\" has {} words: LM-BFF's mappings have one",
            label.label, label.words.size());
    const bool integer = !label.label.empty() && label.label.find_first_not_of("0123456789") == std::string::npos;
    require(keys == MappingKeys::strings || integer, "cloze.mapping.4", "label \"{}\" is no integer", label.label);
    if (text.size() > 1) text += ", ";
    text += keys == MappingKeys::integers ? label.label : detail::json_quoted(label.label);
    text += ": " + detail::json_quoted(label.words.front());
  }
  return text + "}";
}

/// One line of LM-BFF's automatic files, with its score on dev where the file has one (".score.txt").
struct ScoredMapping {
  std::vector<LabelWords> labels;
  std::optional<double> score = {};
};

/// A file with one mapping a line (16-13.txt, .sort.txt), or with a score before each (.score.txt). Empty lines are
/// skipped. Errors, with file and line: parse_lmbff_mapping's, [cloze.mapping.2] no lines, [cloze.mapping.5] a score
/// that is no number; read_file's.
inline std::vector<ScoredMapping> read_lmbff_mappings(const std::filesystem::path& path,
                                                      std::span<const std::string> labels) {
  std::vector<ScoredMapping> mappings;
  for (const auto& [number, line] : detail::numbered_lines(path)) {
    const std::string where = formatted("{}:{}", path.string(), number);
    ScoredMapping mapping;
    std::size_t begin = 0;
    if (line.front() != '{') {
      char* end = nullptr;
      mapping.score = std::strtod(line.c_str(), &end);
      require(end != line.c_str() && (*end == ' ' || *end == '\t') && std::isfinite(*mapping.score), "cloze.mapping.5",
              "{}: wanted a mapping, or a score and a mapping, found {}", where, line);
      begin = static_cast<std::size_t>(end - line.c_str());
    }
    mapping.labels = parse_lmbff_mapping(std::string_view(line).substr(begin), labels, where);
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

/// Writes one mapping a line, atomically; with a score (five decimals) before it where there is one. Errors:
/// lmbff_mapping's, write_file_atomically's.
inline void write_lmbff_mappings(const std::filesystem::path& path, std::span<const ScoredMapping> mappings,
                                 MappingKeys keys = MappingKeys::strings) {
  std::string text;
  for (const ScoredMapping& mapping : mappings) {
    if (mapping.score) text += formatted("{:.5f} ", *mapping.score);
    text += lmbff_mapping(mapping.labels, keys) + "\n";
  }
  write_file_atomically(path, text);
}

/// A file with one template a line, in LM-BFF's grammar. Errors, with file and line: Template::lmbff's,
/// [cloze.mapping.2] no lines; read_file's.
inline std::vector<Template> read_lmbff_templates(const std::filesystem::path& path, const LmbffOptions& options = {}) {
  std::vector<Template> templates;
  for (const auto& [number, line] : detail::numbered_lines(path)) {
    templates.push_back(detail::lmbff_template(line, options, formatted("{}:{}", path.string(), number)));
  }
  return templates;
}

/// Writes one template a line, atomically. Errors: [cloze.mapping.6] a template in another grammar; the writer's.
inline void write_lmbff_templates(const std::filesystem::path& path, std::span<const Template> templates) {
  std::string text;
  for (const Template& prompt : templates) {
    require(prompt.grammar() == Template::Grammar::lmbff, "cloze.mapping.6",
            "template \"{}\" is not in LM-BFF's grammar", prompt.text());
    text += prompt.text() + "\n";
  }
  write_file_atomically(path, text);
}

/// A template and its label words: a line of LM-BFF's prompt files, `template TAB mapping`.
struct LmbffPrompt {
  Template prompt;
  std::vector<LabelWords> labels;
};

/// Errors, with file and line: as for templates and mappings; [cloze.mapping.5] a line without a tab.
inline std::vector<LmbffPrompt> read_lmbff_prompts(const std::filesystem::path& path,
                                                   std::span<const std::string> labels,
                                                   const LmbffOptions& options = {}) {
  std::vector<LmbffPrompt> prompts;
  for (const auto& [number, line] : detail::numbered_lines(path)) {
    const std::string where = formatted("{}:{}", path.string(), number);
    const std::size_t tab = line.find('\t');
    require(tab != std::string::npos, "cloze.mapping.5", "{}: wanted a template, a tab and a mapping, found {}", where,
            line);
    prompts.push_back({detail::lmbff_template(std::string_view(line).substr(0, tab), options, where),
                       parse_lmbff_mapping(std::string_view(line).substr(tab + 1), labels, where)});
  }
  return prompts;
}

}  // namespace cloze
