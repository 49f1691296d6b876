// A trained prompt model as one folder: weights, tokenizer, template and verbalizer; loads with one call.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/methods/prompt_classifier.hpp>
#include <cloze/models/auto.hpp>

namespace cloze {

namespace detail {

inline constexpr std::array<std::pair<Template::Grammar, const char*>, 3> saved_grammars{
    {{Template::Grammar::cloze, "cloze"},
     {Template::Grammar::lmbff, "lmbff"},
     {Template::Grammar::openprompt, "openprompt"}}};
inline constexpr std::array<std::pair<WordScore, const char*>, 4> saved_scores{{{WordScore::mean, "mean"},
                                                                                {WordScore::max, "max"},
                                                                                {WordScore::logsumexp, "logsumexp"},
                                                                                {WordScore::weighted, "weighted"}}};

inline constexpr std::array<std::pair<Truncation, const char*>, 3> saved_truncations{
    {{Truncation::longest, "longest"}, {Truncation::tail, "tail"}, {Truncation::head, "head"}}};

template <class Value, std::size_t N>
Value saved_value(const std::array<std::pair<Value, const char*>, N>& names, const nlohmann::json& json,
                  const std::string& key, const std::string& where) {
  const auto found = json_get<std::string>(json, key, where);
  for (const auto& [known, name] : names)
    if (found == name) return known;
  fail("cloze.method.5", "{}: \"{}\": \"{}\" is not a value that this version knows", where, key, found);
}

template <class Value, std::size_t N>
const char* saved_name(const std::array<std::pair<Value, const char*>, N>& names, Value value) {
  for (const auto& [known, name] : names)
    if (known == value) return name;
  fail("cloze.method.5", "a prompt with this setting cannot be saved: it has no name in prompt.json");
}

inline constexpr Index prompt_folder_version = 1;

}  // namespace detail

/// Writes the model and the tokenizer as Hugging Face files, and prompt.json beside them, last: a folder without it is
/// not whole. Errors: save_pretrained's; [cloze.method.5] a template or truncation that has no text form.
template <class Model, class Demos>
void save_prompt_classifier(const PromptClassifier<Model, WordVerbalizer, Demos, Tokenizer>& classifier,
                            const std::filesystem::path& folder) {
  nlohmann::json json;
  json["version"] = detail::prompt_folder_version;
  json["grammar"] = detail::saved_name(detail::saved_grammars, classifier.prompt().grammar());
  json["template"] = classifier.prompt().text();
  json["score"] = detail::saved_name(detail::saved_scores, classifier.verbalizer().options().score);
  json["leading_space"] = classifier.verbalizer().options().leading_space;
  json["max_length"] = classifier.options().max_length;
  json["segments"] = classifier.options().segments;
  json["truncation"] = detail::saved_name(detail::saved_truncations, classifier.options().truncation);
  json["tokenizer"] = formatted("{:016x}", classifier.tokenizer().hash());
  const LmbffOptions& lmbff = classifier.prompt().lmbff_options();
  json["compat"] = lmbff.compat;
  if (lmbff.first_sent_limit) json["first_sent_limit"] = *lmbff.first_sent_limit;
  if (lmbff.other_sent_limit) json["other_sent_limit"] = *lmbff.other_sent_limit;
  for (const LabelWords& label : classifier.verbalizer().labels()) {
    nlohmann::json entry;
    entry["label"] = label.label;
    entry["words"] = label.words;
    if (!label.weights.empty()) entry["weights"] = label.weights;
    json["labels"].push_back(std::move(entry));
  }
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  std::filesystem::remove(folder / "prompt.json", code);
  classifier.model().save_pretrained(folder);
  classifier.tokenizer().save_pretrained(folder);
  write_file_atomically(folder / "prompt.json", json.dump(2) + "\n");
}

/// Reads what save_prompt_classifier wrote. Demonstrations are not saved: give them anew where they are wanted.
/// Errors: the readers'; [cloze.method.5] a value or version that is unknown, [cloze.method.6] a tokenizer other than
/// the one the prompt was trained with.
template <Scalar T = float, Device D = Cpu>
PromptClassifier<AutoModelForMaskedLM<T, D>> load_prompt_classifier(const std::filesystem::path& folder) {
  const auto path = folder / "prompt.json";
  const std::string where = path.string();
  const auto json = read_json(path);
  const auto version = json_get<Index>(json, "version", where);
  require(version == detail::prompt_folder_version, "cloze.method.5", "{}: wanted version {}, found {}", where,
          detail::prompt_folder_version, version);
  auto tokenizer = Tokenizer::from_pretrained(folder);
  const auto hash = json_get<std::string>(json, "tokenizer", where), found = formatted("{:016x}", tokenizer.hash());
  require(hash == found, "cloze.method.6", "{}: trained with tokenizer {}, but the folder's is {}", where, hash, found);

  const auto grammar = detail::saved_value(detail::saved_grammars, json, "grammar", where);
  const auto text = json_get<std::string>(json, "template", where);
  const auto limit = [&](const char* key) {
    return json.contains(key) ? std::optional<Index>(json_get<Index>(json, key, where)) : std::nullopt;
  };
  const LmbffOptions lmbff{.compat = json_get<bool>(json, "compat", where),
                           .first_sent_limit = limit("first_sent_limit"),
                           .other_sent_limit = limit("other_sent_limit")};
  auto prompt = grammar == Template::Grammar::lmbff        ? Template::lmbff(text, lmbff)
                : grammar == Template::Grammar::openprompt ? Template::openprompt(text)
                                                           : Template::parse(text);
  std::vector<LabelWords> labels;
  for (const auto& entry : json_get<std::vector<nlohmann::json>>(json, "labels", where))
    labels.push_back({json_get<std::string>(entry, "label", where),
                      json_get<std::vector<std::string>>(entry, "words", where),
                      json_get_or<std::vector<float>>(entry, "weights", {}, where)});
  WordVerbalizer verbalizer(tokenizer, std::move(labels),
                            {.score = detail::saved_value(detail::saved_scores, json, "score", where),
                             .leading_space = json_get<bool>(json, "leading_space", where)});
  const RenderOptions options{.max_length = json_get<Index>(json, "max_length", where),
                              .truncation = detail::saved_value(detail::saved_truncations, json, "truncation", where),
                              .segments = json_get<bool>(json, "segments", where)};
  return {AutoModelForMaskedLM<T, D>::from_pretrained(folder),
          std::move(tokenizer),
          std::move(prompt),
          std::move(verbalizer),
          NoDemos{},
          options};
}

}  // namespace cloze
