// Which tokens of a vocabulary begin a word: for whole-word masking, pruning and counts by word.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/text/tokenizer_like.hpp>

namespace cloze {

/// One entry for each id, [vocab_size]: 1 where the token begins a word. In WordPiece all that is not marked "##" does;
/// in byte-level BPE and Unigram what begins with a space ("Ġ", "▁"). Ids without a token count as words.
template <TokenizerLike T>
std::vector<std::uint8_t> word_starts(const T& tokenizer) {
  std::vector<std::uint8_t> starts(static_cast<std::size_t>(tokenizer.vocab_size()), 1);
  const bool marked_space = !std::string_view(tokenizer.word_prefix()).empty();
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const TokenId id{static_cast<std::int32_t>(i)};
    try {
      const std::string_view token = tokenizer.token(id);
      starts[i] =
          marked_space ? token.starts_with("\xC4\xA0") || token.starts_with("\xE2\x96\x81") : !token.starts_with("##");
    } catch (const Error&) {
      continue;  // RoBERTa's vocabulary has ids without a token
    }
  }
  return starts;
}

}  // namespace cloze
