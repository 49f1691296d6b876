// Takes tokens out of a vocabulary: a smaller tokenizer.json, and which rows of the model's embedding it still needs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/json.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze {

struct PrunedTokenizer {
  nlohmann::json tokenizer_json;  // ids run from 0, in the old order
  std::vector<TokenId> kept;      // [new size] the old id of each new one: the embedding rows to gather
};

namespace detail {

/// The vocabulary and merges of a tokenizer.json, by old id.
struct PrunableVocabulary {
  std::unordered_map<std::string, std::int64_t> ids;
  std::vector<std::pair<std::string, std::string>> merges;

  explicit PrunableVocabulary(const nlohmann::json& model) {
    const auto type = json_get<std::string>(model, "type", "tokenizer.json: model");
    require(type == "WordPiece" || type == "BPE", "cloze.prune.1",
            "a {} vocabulary cannot be pruned: wanted WordPiece or BPE", type);
    const auto vocabulary = json_get<nlohmann::json>(model, "vocab", "tokenizer.json: model");
    for (const auto& [token, id] : vocabulary.items()) {
      require(id.is_number_integer() && id.get<std::int64_t>() >= 0 && id.get<std::int64_t>() < (1 << 24),
              "cloze.prune.1", "token \"{}\" has id {}: wanted a whole number from 0 on", token, id.dump());
      ids.emplace(token, id.get<std::int64_t>());
    }
    if (type != "BPE") return;
    for (const auto& merge : json_get<nlohmann::json>(model, "merges", "tokenizer.json: model")) {
      if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
        continue;
      }
      const std::string line = merge.is_string() ? merge.get<std::string>() : "";
      const std::size_t space = line.find(' ');
      require(space != std::string::npos, "cloze.prune.1", "merge {}: wanted two tokens, found {}", merges.size() + 1,
              merge.dump());
      merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
  }
};

/// Adds the tokens that the merges of a kept token's own spelling pass through, and marks those merges: a text that
/// gave the token before then still does, since every merge it took is there and in the same order.
class MergeClosure {
 public:
  explicit MergeClosure(const std::vector<std::pair<std::string, std::string>>& merges)
      : merges_(merges), needed_(merges.size()) {
    for (std::size_t rank = 0; rank < merges.size(); ++rank)
      ranks_[merges[rank].first + " " + merges[rank].second] = rank;
  }

  void add(const std::string& token, std::unordered_set<std::string>& kept) {
    std::vector<std::string> parts;
    for (const char32_t point : text::to_points(token)) parts.push_back(text::to_utf8({&point, 1}));
    while (parts.size() > 1) {
      std::size_t best = parts.size(), rank = std::numeric_limits<std::size_t>::max();
      for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto found = ranks_.find(parts[i] + " " + parts[i + 1]);
        if (found != ranks_.end() && found->second < rank) rank = found->second, best = i;
      }
      if (best == parts.size()) return;  // no merges make it (a special token)
      needed_[rank] = 1;
      kept.insert({parts[best], parts[best + 1], parts[best] + parts[best + 1]});
      parts[best] += parts[best + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
  }

  nlohmann::json merges() const {
    nlohmann::json list = nlohmann::json::array();
    for (std::size_t rank = 0; rank < merges_.size(); ++rank)
      if (needed_[rank]) list.push_back({merges_[rank].first, merges_[rank].second});
    return list;
  }

 private:
  const std::vector<std::pair<std::string, std::string>>& merges_;
  std::unordered_map<std::string, std::size_t> ranks_;
  std::vector<std::uint8_t> needed_;
};

/// Gives post-processors the new ids, wherever they hold one: TemplateProcessing's lists, BertProcessing's pairs.
inline void renumber_processor(nlohmann::json& processor, const std::unordered_map<std::int64_t, std::int64_t>& fresh) {
  const auto renumber = [&](nlohmann::json& id) {
    if (!id.is_number_integer()) return;
    const auto found = fresh.find(id.get<std::int64_t>());
    require(found != fresh.end(), "cloze.prune.1", "the post-processor uses id {}, which no kept token has", id.dump());
    id = found->second;
  };
  if (!processor.is_object()) return;
  if (const auto list = processor.find("processors"); list != processor.end())
    for (auto& inner : *list) renumber_processor(inner, fresh);
  if (const auto special = processor.find("special_tokens"); special != processor.end())
    for (auto& token : *special)
      if (token.is_object() && token.contains("ids"))
        for (auto& id : token["ids"]) renumber(id);
  for (const char* key : {"cls", "sep"})
    if (processor.contains(key) && processor[key].is_array() && processor[key].size() == 2) renumber(processor[key][1]);
}

}  // namespace detail

/// A tokenizer.json (its content, WordPiece or BPE) with the listed tokens only, spelled as in the file. Kept besides:
/// added tokens, the unknown token, single characters (so that whatever could be spelled still can), and for BPE the
/// tokens that lead to a listed one. Errors: [cloze.prune.1] not such a file; [cloze.prune.2] a listed token that it
/// has not; [cloze.json.2] a key is missing.
inline PrunedTokenizer prune_vocabulary(const nlohmann::json& tokenizer_json, std::span<const std::string> list) {
  PrunedTokenizer pruned{.tokenizer_json = tokenizer_json, .kept = {}};
  const auto model = json_get<nlohmann::json>(tokenizer_json, "model", "tokenizer.json");
  const detail::PrunableVocabulary old(model);
  std::unordered_set<std::string> kept;
  for (const std::string& token : list) {
    require(old.ids.contains(token), "cloze.prune.2", "token \"{}\" is not in the vocabulary of {}", token,
            old.ids.size());
    kept.insert(token);
  }
  detail::MergeClosure closure(old.merges);
  for (const std::string& token : list) closure.add(token, kept);
  for (const auto& [token, id] : old.ids) {
    const std::string_view bare = std::string_view(token).substr(token.starts_with("##") && token.size() > 2 ? 2 : 0);
    if (detail::text::to_points(bare).size() == 1) kept.insert(token);
  }
  if (const auto unk = json_get_or<std::string>(model, "unk_token", "", "tokenizer.json: model"); !unk.empty())
    kept.insert(unk);

  std::vector<std::pair<std::int64_t, std::string>> in_order;
  for (const std::string& token : kept) {
    require(old.ids.contains(token), "cloze.prune.1", "token \"{}\" is used by the file, but not in its vocabulary",
            token);
    in_order.emplace_back(old.ids.at(token), token);
  }
  const auto added =
      json_get_or<nlohmann::json>(tokenizer_json, "added_tokens", nlohmann::json::array(), "tokenizer.json");
  for (const auto& token : added) {  // they may stand outside the vocabulary proper
    const auto content = json_get<std::string>(token, "content", "tokenizer.json: added_tokens");
    if (kept.insert(content).second)
      in_order.emplace_back(json_get<std::int64_t>(token, "id", "tokenizer.json: added_tokens"), content);
  }
  std::sort(in_order.begin(), in_order.end());

  std::unordered_map<std::int64_t, std::int64_t> fresh;
  nlohmann::json vocabulary = nlohmann::json::object();
  for (const auto& [id, token] : in_order) {
    const auto number = static_cast<std::int64_t>(pruned.kept.size());
    require(fresh.emplace(id, number).second, "cloze.prune.1", "token \"{}\" shares id {} with another", token, id);
    if (old.ids.contains(token)) vocabulary[token] = number;
    pruned.kept.push_back(TokenId{static_cast<std::int32_t>(id)});
  }
  nlohmann::json& file = pruned.tokenizer_json;
  file["model"]["vocab"] = std::move(vocabulary);
  if (!old.merges.empty()) file["model"]["merges"] = closure.merges();
  if (!added.empty())
    for (auto& token : file["added_tokens"]) token["id"] = fresh.at(token["id"].get<std::int64_t>());
  if (file.contains("post_processor")) detail::renumber_processor(file["post_processor"], fresh);
  return pruned;
}

}  // namespace cloze
