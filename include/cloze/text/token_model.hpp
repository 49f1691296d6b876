// What cuts a word into tokens: the interface that WordPiece, byte-level BPE and Unigram share.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <cloze/core/ids.hpp>

namespace cloze::detail::text {

/// A token of a word and the bytes of the word that it covers.
struct WordToken {
  TokenId id;
  std::size_t begin;
  std::size_t end;
};

/// Whether `byte` goes on with a code point of UTF-8 rather than beginning one.
inline bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// The model of a tokenizer. Constant once made, and used by several threads at once.
class TokenModel {
 public:
  virtual ~TokenModel() = default;

  /// Appends the tokens of one word.
  virtual void encode(std::string_view word, std::vector<WordToken>& out) const = 0;

  /// What stands for text that no piece spells, where the model has such a token.
  virtual std::optional<TokenId> unk() const { return std::nullopt; }
};

}  // namespace cloze::detail::text
