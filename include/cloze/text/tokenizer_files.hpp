// The parts that every tokenizer.json and tokenizer_config.json has, for those who write them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/json.hpp>

namespace cloze::detail {

inline nlohmann::json vocabulary_json(const std::vector<std::string>& tokens) {
  nlohmann::json vocabulary = nlohmann::json::object();
  for (std::size_t id = 0; id < tokens.size(); ++id) vocabulary[tokens[id]] = id;
  return vocabulary;
}

/// A file with its added tokens, which are the first `special` ones.
inline nlohmann::json tokenizer_json_frame(const std::vector<std::string>& tokens, std::size_t special) {
  nlohmann::json added = nlohmann::json::array();
  for (std::size_t id = 0; id < special; ++id)
    added.push_back({{"id", id},
                     {"content", tokens[id]},
                     {"single_word", false},
                     {"lstrip", tokens[id] == "<mask>"},  // as RoBERTa's: the space before it belongs to it
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  return {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", std::move(added)}};
}

/// Puts cls and sep around one text or two, as BERT; nothing where the special tokens lack one of them.
inline nlohmann::json template_processor(const std::vector<std::string>& tokens, std::size_t special,
                                         const std::string& cls, const std::string& sep) {
  using nlohmann::json;
  const auto end = tokens.begin() + static_cast<std::ptrdiff_t>(special);
  const auto cls_at = std::find(tokens.begin(), end, cls), sep_at = std::find(tokens.begin(), end, sep);
  if (cls_at == end || sep_at == end) return nullptr;
  const auto token = [](const std::string& id, int segment) {
    return json{{"SpecialToken", {{"id", id}, {"type_id", segment}}}};
  };
  const auto text = [](const char* id, int segment) { return json{{"Sequence", {{"id", id}, {"type_id", segment}}}}; };
  const auto entry = [](const std::string& id, std::ptrdiff_t number) {
    return json{{"id", id}, {"ids", json::array({number})}, {"tokens", json::array({id})}};
  };
  return {{"type", "TemplateProcessing"},
          {"single", json::array({token(cls, 0), text("A", 0), token(sep, 0)})},
          {"pair", json::array({token(cls, 0), text("A", 0), token(sep, 0), text("B", 1), token(sep, 1)})},
          {"special_tokens", {{cls, entry(cls, cls_at - tokens.begin())}, {sep, entry(sep, sep_at - tokens.begin())}}}};
}

/// The roles whose token is among the special ones.
inline nlohmann::json tokenizer_config(const std::vector<std::string>& tokens, std::size_t special,
                                       const std::vector<std::pair<std::string, std::string>>& roles) {
  const auto end = tokens.begin() + static_cast<std::ptrdiff_t>(special);
  nlohmann::json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  for (const auto& [role, token] : roles)
    if (std::find(tokens.begin(), end, token) != end) config[role] = token;
  return config;
}

}  // namespace cloze::detail
