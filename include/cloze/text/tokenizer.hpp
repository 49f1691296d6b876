// Tokenizer: the one that reads Hugging Face files. WordPiece, byte-level BPE or Unigram, chosen at run time by the
// files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/text/tokenizer_folder.hpp>
#include <cloze/text/tokenizer_like.hpp>
#include <cloze/text/tokenizer_parts.hpp>

namespace cloze {

/// Text to token ids and back, as Hugging Face's tokenizers with add_special_tokens=False and encode_special_tokens:
/// nothing is added, and the spelling of a special token in a text is only text. Padding, truncation and
/// post-processors of the files are not applied (special tokens come from the template). Cheap to copy: copies share
/// constant state. All members are const and may be called from several threads at once.
class Tokenizer {
 public:
  /// A Hugging Face folder: tokenizer.json, else vocab.txt (BERT, DistilBERT), else vocab.json and merges.txt (RoBERTa,
  /// GPT-2). Special tokens are those of tokenizer_config.json, then special_tokens_map.json, then the family's.
  /// Errors: [cloze.text.14] no such files; [cloze.file.1], [cloze.json.1] unreadable or broken ones; [cloze.text.2],
  /// [cloze.text.3] a damaged vocabulary; [cloze.text.10] a component this library does not know.
  static Tokenizer from_pretrained(const std::filesystem::path& folder) {
    return Tokenizer(detail::text::load_tokenizer_folder(folder));
  }

  /// A tokenizer.json alone, with the family's special tokens. Errors: as from_pretrained.
  static Tokenizer from_file(const std::filesystem::path& tokenizer_json) {
    return Tokenizer(detail::text::load_tokenizer_file(tokenizer_json));
  }

  /// Errors: [cloze.text.1] broken UTF-8, with the byte; [cloze.text.9] a byte that the vocabulary cannot spell.
  std::vector<TokenId> encode(std::string_view text) const {
    std::vector<TokenId> ids;
    detail::text::EncodeScratch scratch;
    parts_->encode(text, scratch, ids, nullptr);
    return ids;  // [tokens]
  }

  /// Ids, and for each the code points of `text` that it came from. Errors: as encode.
  Encoding encode_with_offsets(std::string_view text) const {
    Encoding encoding;
    detail::text::EncodeScratch scratch;
    parts_->encode(text, scratch, encoding.ids, &encoding.offsets);
    return encoding;
  }

  /// encode() of each text, on all threads. Errors: as encode, with the text's number.
  std::vector<std::vector<TokenId>> encode_batch(std::span<const std::string> texts) const {
    std::vector<std::vector<TokenId>> all(texts.size());
    constexpr Index grain = 8;  // fewer texts than this do not repay a thread
    parallel_for(static_cast<Index>(texts.size()), grain, [&](Index begin, Index end) {
      detail::text::EncodeScratch scratch;
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        try {
          parts_->encode(texts[i], scratch, all[i], nullptr);
        } catch (const Error& error) {
          fail(error.id(), "text {} of {}: {}", i, texts.size(), error.what());
        }
      }
    });
    return all;  // [texts][tokens]
  }

  /// The text of tokens; special tokens are left out unless told otherwise. Bytes that are not UTF-8 become U+FFFD.
  /// Errors: [cloze.text.4] an id without a token.
  std::string decode(std::span<const TokenId> ids, bool skip_special = true) const {
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const TokenId id : ids) {
      const std::string_view token = parts_->vocabulary.token(id);
      if (skip_special && parts_->skipped[static_cast<std::size_t>(value(id))] != 0) continue;
      tokens.emplace_back(token);
    }
    return parts_->decoder(std::move(tokens));
  }

  /// One more than the greatest id. RoBERTa's published vocabulary has three ids without a token below that.
  Index vocab_size() const { return static_cast<Index>(parts_->vocabulary.size()); }

  const SpecialTokens& special() const { return parts_->special; }

  /// The id of a token spelled as in the files ("Ġgreat", "##ing", "▁the"), or nothing.
  std::optional<TokenId> find(std::string_view token) const { return parts_->vocabulary.find(token); }

  /// The spelling of a token as in the files. Errors: [cloze.text.4] an id without a token.
  std::string_view token(TokenId id) const { return parts_->vocabulary.token(id); }

  /// What stands before a word inside a sentence and belongs to its token: " " for byte-level BPE and Unigram, "" for
  /// WordPiece. encode(word_prefix() + word) gives the word's form inside a sentence.
  std::string_view word_prefix() const { return parts_->word_prefix; }

  /// A hash of vocabulary and rules: equal where ids and texts are equal, whichever files they were read from.
  std::uint64_t hash() const { return parts_->hash; }

  /// Writes the files that this was read from (and a tokenizer_config.json where there was none), each atomically.
  /// Errors: [cloze.file.3].
  void save_pretrained(const std::filesystem::path& folder) const { detail::text::save_tokenizer(*parts_, folder); }

 private:
  explicit Tokenizer(detail::text::TokenizerParts parts)
      : parts_(std::make_shared<const detail::text::TokenizerParts>(std::move(parts))) {}

  std::shared_ptr<const detail::text::TokenizerParts> parts_;
};

static_assert(TokenizerLike<Tokenizer>);

}  // namespace cloze
