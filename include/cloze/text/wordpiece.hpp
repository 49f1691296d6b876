// WordPiece (Schuster and Nakajima 2012; BERT): the longest piece of the vocabulary first, again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/token_model.hpp>
#include <cloze/text/vocabulary.hpp>

namespace cloze::detail::text {

struct WordPieceOptions {
  std::string unk_token = "[UNK]";
  std::string continuing_subword_prefix = "##";
  std::size_t max_input_chars_per_word = 100;
};

class WordPiece final : public TokenModel {
 public:
  /// Errors: [cloze.text.7] unk_token is not in the vocabulary.
  WordPiece(const Vocabulary& vocabulary, WordPieceOptions options, std::string_view where)
      : options_(std::move(options)) {
    const auto unk = vocabulary.find(options_.unk_token);
    require(unk.has_value(), "cloze.text.7", "{}: the unknown token \"{}\" is not in the vocabulary", where,
            options_.unk_token);
    unk_ = *unk;
    const std::string& prefix = options_.continuing_subword_prefix;
    first_.reserve(vocabulary.size(), vocabulary.size() * 8);
    for (std::size_t id = 0; id < vocabulary.size(); ++id) {
      if (!vocabulary.has(id)) continue;
      const auto number = static_cast<std::int32_t>(id);
      const std::string_view token = vocabulary.token(TokenId{number});
      first_.add(token, number);
      if (token.starts_with(prefix)) rest_.add(token.substr(prefix.size()), number);
    }
  }

  const WordPieceOptions& options() const { return options_; }
  std::optional<TokenId> unk() const override { return unk_; }

  /// Appends the tokens of one word: unk_token alone where no sequence of pieces spells it.
  void encode(std::string_view word, std::vector<WordToken>& out) const override {
    if (word.empty()) return;
    if (word.size() > options_.max_input_chars_per_word) {
      std::size_t points = 0;
      for (const char byte : word) points += is_continuation(byte) ? 0 : 1;
      if (points > options_.max_input_chars_per_word) {
        out.push_back({unk_, 0, word.size()});
        return;
      }
    }
    const std::size_t start = out.size();
    for (std::size_t at = 0; at < word.size();) {
      const StringTable& table = at == 0 ? first_ : rest_;
      const auto [id, size] = longest(table, word.substr(at));
      if (size == 0) {
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(start), out.end());
        out.push_back({unk_, 0, word.size()});
        return;
      }
      out.push_back({TokenId{id}, at, at + size});
      at += size;
    }
  }

 private:
  /// The longest key of `table` that begins `word`, and its bytes (0: none does).
  static std::pair<std::int32_t, std::size_t> longest(const StringTable& table, std::string_view word) {
    // One pass gives the hash of every prefix; they are tried from the longest down, `block` of them at a time.
    constexpr std::size_t block = 64;
    std::size_t limit = word.size() < table.longest() ? word.size() : table.longest();
    while (limit > 0) {
      std::uint64_t hashes[block];
      const std::size_t low = limit > block ? limit - block : 0;
      PrefixHash hash;
      hash.add(word.substr(0, low));
      for (std::size_t i = low; i < limit; ++i) {
        hash.add(word[i]);
        hashes[i - low] = hash.value();
      }
      for (; limit > low; --limit) {
        if (limit < word.size() && is_continuation(word[limit])) continue;
        if (const auto found = table.find(word.substr(0, limit), hashes[limit - low - 1])) return {*found, limit};
      }
    }
    return {0, 0};
  }

  WordPieceOptions options_;
  TokenId unk_{};
  StringTable first_;  // every token, for the beginning of a word
  StringTable rest_;   // what follows the prefix, for the rest of it
};

}  // namespace cloze::detail::text
