// What a tokenizer is made of, and how the parts work together: normalise, cut, encode each word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/text/added_tokens.hpp>
#include <cloze/text/decoder.hpp>
#include <cloze/text/normalizer.hpp>
#include <cloze/text/pre_tokenizer.hpp>
#include <cloze/text/token_model.hpp>
#include <cloze/text/tokenizer_like.hpp>
#include <cloze/text/vocabulary.hpp>

namespace cloze::detail::text {

/// A file as it was read, to be written back byte for byte.
struct SourceFile {
  std::string name;
  std::string bytes;
};

/// Buffers of one encoding, reused from text to text.
struct EncodeScratch {
  NormalizedText text;
  NormalizedText section;
  std::vector<Piece> pieces;
  std::vector<Piece> spare;
  std::vector<WordToken> tokens;
  std::vector<std::size_t> byte_points;  // [bytes of a word]: the code point of each
  std::string word;
};

/// Everything a tokenizer knows; constant once loaded, and shared by its copies and threads.
struct TokenizerParts {
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<const TokenModel> model;  // set by every loader
  Decoder decoder;
  Vocabulary vocabulary;  // with the added tokens
  AddedTokens added;
  SpecialTokens special;
  std::vector<std::uint8_t> skipped;  // [vocabulary] 1: what decode leaves out with skip_special
  std::string_view word_prefix;
  std::string rules;  // what else decides the ids, as text; for the content hash
  std::uint64_t hash = 0;
  std::vector<SourceFile> files;

  /// Appends the tokens of `text`, and their spans where `spans` is not null. Errors: [cloze.text.1] broken UTF-8,
  /// [cloze.text.9] a byte that the vocabulary cannot spell.
  void encode(std::string_view text, EncodeScratch& scratch, std::vector<TokenId>& ids,
              std::vector<TextSpan>* spans) const {
    scratch.text.assign(text, spans != nullptr);
    if (!added.in_original().active() && !added.in_normalized().active()) {
      normalizer(scratch.text);
      return encode_plain(scratch.text, true, scratch, ids, spans);
    }
    for (const AddedSplit& part : added.in_original().split(scratch.text.points())) {
      if (part.token) {
        put(*part.token, scratch.text, part.begin, part.end, ids, spans);
        continue;
      }
      NormalizedText between = scratch.text.slice(part.begin, part.end);
      normalizer(between);
      for (const AddedSplit& inner : added.in_normalized().split(between.points())) {
        if (inner.token) {
          put(*inner.token, between, inner.begin, inner.end, ids, spans);
          continue;
        }
        scratch.section = between.slice(inner.begin, inner.end);
        encode_plain(scratch.section, part.begin == 0 && inner.begin == 0, scratch, ids, spans);
      }
    }
  }

 private:
  static void put(TokenId id, const NormalizedText& text, std::size_t begin, std::size_t end, std::vector<TokenId>& ids,
                  std::vector<TextSpan>* spans) {
    ids.push_back(id);
    if (spans != nullptr) spans->push_back({text.span(begin).begin, text.span(end - 1).end});
  }

  /// A normalised text without added tokens.
  void encode_plain(NormalizedText& text, bool starts_text, EncodeScratch& scratch, std::vector<TokenId>& ids,
                    std::vector<TextSpan>* spans) const {
    scratch.pieces.assign(1, Piece{0, text.size()});
    pre_tokenizer(text, starts_text, scratch.pieces, scratch.spare);
    for (const Piece& piece : scratch.pieces) encode_piece(text, piece, scratch, ids, spans);
  }

  void encode_piece(const NormalizedText& text, Piece piece, EncodeScratch& scratch, std::vector<TokenId>& ids,
                    std::vector<TextSpan>* spans) const {
    scratch.word.clear();
    scratch.tokens.clear();
    const char32_t* points = text.points().data();
    if (spans == nullptr) {
      for (std::size_t i = piece.begin; i < piece.end; ++i) append_utf8(scratch.word, points[i]);
      model->encode(scratch.word, scratch.tokens);
      for (const WordToken& token : scratch.tokens) ids.push_back(token.id);
      return;
    }
    scratch.byte_points.clear();
    for (std::size_t i = piece.begin; i < piece.end; ++i) {
      append_utf8(scratch.word, points[i]);
      scratch.byte_points.resize(scratch.word.size(), i);
    }
    model->encode(scratch.word, scratch.tokens);
    for (const WordToken& token : scratch.tokens)
      put(token.id, text, scratch.byte_points[token.begin], scratch.byte_points[token.end - 1] + 1, ids, spans);
  }
};

}  // namespace cloze::detail::text
