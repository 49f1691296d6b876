// A tokenizer small enough to predict: a token is a word or a punctuation mark, with the space before it.
#pragma once

#include <cctype>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/text/tokenizer_like.hpp>

namespace cloze::test {

/// Words longer than eight letters are cut into pieces of eight; "qq" alone is unknown; a lone space is a token.
/// Ids are given out in order of first use, from 10; `spaced` false drops spaces, as WordPiece does.
class ToyTokenizer {
 public:
  explicit ToyTokenizer(bool spaced = true) : spaced_(spaced) {}

  std::vector<TokenId> encode(std::string_view text) const {
    std::vector<TokenId> ids;
    for (std::size_t at = 0; at < text.size();) {
      std::string token;
      if (text[at] == ' ') {
        ++at;
        if (spaced_) token = " ";
      }
      std::size_t letters = 0;
      while (at < text.size() && letters < 8 && is_letter(text[at])) token += text[at++], ++letters;
      if (letters == 0 && at < text.size() && text[at] != ' ') token += text[at++];
      if (token.empty()) continue;
      ids.push_back(token == "qq" || token == " qq" ? TokenId{3} : id_of(token));
    }
    return ids;
  }
  std::string decode(std::span<const TokenId> ids) const {
    std::string text;
    for (const TokenId id : ids) text += std::string(token(id));
    return text;
  }
  Index vocab_size() const { return 1000; }
  const SpecialTokens& special() const { return special_; }
  SpecialTokens& special() { return special_; }
  std::optional<TokenId> find(std::string_view token) const {
    const auto known = ids_.find(std::string(token));
    return known == ids_.end() ? std::nullopt : std::optional(known->second);
  }
  std::string_view token(TokenId id) const {
    for (const auto& [token, known] : ids_)
      if (known == id) return token;
    return "?";
  }
  std::string_view word_prefix() const { return spaced_ ? " " : ""; }

 private:
  static bool is_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0; }
  TokenId id_of(const std::string& token) const {
    return ids_.emplace(token, static_cast<TokenId>(10 + ids_.size() - 5)).first->second;
  }

  bool spaced_;
  SpecialTokens special_{.cls = TokenId{0},
                         .sep = TokenId{2},
                         .mask = TokenId{4},
                         .pad = TokenId{1},
                         .unk = TokenId{3},
                         .bos = {},
                         .eos = {}};
  mutable std::map<std::string, TokenId> ids_{
      {"<s>", TokenId{0}}, {"<pad>", TokenId{1}}, {"</s>", TokenId{2}}, {"<unk>", TokenId{3}}, {"<mask>", TokenId{4}}};
};

static_assert(TokenizerLike<ToyTokenizer>);

}  // namespace cloze::test
