// Which tokens have a role (cls, mask, …): as the folder's configuration says, else as the family of the model has
// them.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/text/tokenizer_parts.hpp>
#include <cloze/text/wordpiece.hpp>

namespace cloze::detail::text {

/// A role, its key in the configuration files, and the spellings that families give it.
struct TokenRole {
  const char* key;
  std::optional<TokenId> SpecialTokens::*member;
  std::array<const char*, 3> spellings;
};

inline constexpr std::array<TokenRole, 7> token_roles{{
    {"cls_token", &SpecialTokens::cls, {"[CLS]", "<s>", nullptr}},
    {"sep_token", &SpecialTokens::sep, {"[SEP]", "</s>", nullptr}},
    {"mask_token", &SpecialTokens::mask, {"[MASK]", "<mask>", nullptr}},
    {"pad_token", &SpecialTokens::pad, {"[PAD]", "<pad>", nullptr}},
    {"unk_token", &SpecialTokens::unk, {"[UNK]", "<unk>", "<|endoftext|>"}},
    {"bos_token", &SpecialTokens::bos, {"<s>", "<|endoftext|>", nullptr}},
    {"eos_token", &SpecialTokens::eos, {"</s>", "<|endoftext|>", nullptr}},
}};

/// What the families use where no configuration speaks: BERT's brackets, RoBERTa's and T5's angles, GPT-2's one token.
inline SpecialTokens default_special_tokens(const TokenizerParts& parts) {
  SpecialTokens special;
  const bool wordpiece = dynamic_cast<const WordPiece*>(parts.model.get()) != nullptr;
  for (const TokenRole& role : token_roles) {
    for (const char* spelling : role.spellings) {
      if (spelling == nullptr || special.*role.member) continue;
      if (wordpiece && spelling[0] != '[') continue;
      special.*role.member = parts.vocabulary.find(spelling);
    }
  }
  if (const auto unk = parts.model->unk()) special.unk = unk;
  return special;
}

/// Takes the roles that a tokenizer_config.json or special_tokens_map.json gives; an explicit null takes one away.
/// Errors: [cloze.text.13] a token that the vocabulary has not.
inline void apply_special_tokens(SpecialTokens& special, const nlohmann::json& config, const TokenizerParts& parts,
                                 std::string_view where) {
  require(config.is_object(), "cloze.json.2", "{}: wanted an object, found {}", where, config.type_name());
  for (const TokenRole& role : token_roles) {
    const nlohmann::json* at = json_find(config, role.key);
    if (at == nullptr) continue;
    if (at->is_null()) {
      special.*role.member = std::nullopt;
      continue;
    }
    const auto spelling = at->is_object() ? json_get<std::string>(*at, "content", formatted("{}: {}", where, role.key))
                                          : json_get<std::string>(config, role.key, where);
    const auto found = parts.vocabulary.find(spelling);
    require(found.has_value(), "cloze.text.13", "{}: \"{}\" is \"{}\", which the vocabulary has not", where, role.key,
            spelling);
    special.*role.member = found;
  }
}

}  // namespace cloze::detail::text
