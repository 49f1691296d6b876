// What every tokenizer gives: token ids, spans, special tokens, and the concept that a user's own tokenizer satisfies.
#pragma once

#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/core/ids.hpp>

namespace cloze {

/// A part of a text, in code points, half-open.
struct TextSpan {
  Index begin = 0;
  Index end = 0;
  bool operator==(const TextSpan&) const = default;
};

/// Tokens of a text, and for each the part of the text that it came from.
struct Encoding {
  std::vector<TokenId> ids;       // [tokens]
  std::vector<TextSpan> offsets;  // [tokens]
};

/// The tokens with a role. One token may have several (RoBERTa's <s> is cls and bos); a role without a token is empty.
struct SpecialTokens {
  std::optional<TokenId> cls, sep, mask, pad, unk, bos, eos;
  bool operator==(const SpecialTokens&) const = default;
};

/// Turns text into token ids and back. Text is only text: encode adds no special token and recognises none.
/// `word_prefix()` is what stands before a word inside a sentence and belongs to its token (" " or "").
template <class T>
concept TokenizerLike = requires(const T& tokenizer, std::string_view text, std::span<const TokenId> ids, TokenId id) {
  { tokenizer.encode(text) } -> std::convertible_to<std::vector<TokenId>>;
  { tokenizer.decode(ids) } -> std::convertible_to<std::string>;
  { tokenizer.vocab_size() } -> std::convertible_to<Index>;
  { tokenizer.special() } -> std::convertible_to<const SpecialTokens&>;
  { tokenizer.find(text) } -> std::convertible_to<std::optional<TokenId>>;
  { tokenizer.token(id) } -> std::convertible_to<std::string_view>;
  { tokenizer.word_prefix() } -> std::convertible_to<std::string_view>;
};

}  // namespace cloze
