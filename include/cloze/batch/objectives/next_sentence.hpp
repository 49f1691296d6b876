// Pairs of segments from documents: BERT's next-sentence prediction and ALBERT's sentence order.
// Devlin et al. 2019, appendix A.2 (cut as create_pretraining_data does); Lan et al. 2020, section 3.1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <cloze/batch/objectives/lm_example.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/rng.hpp>

namespace cloze {

/// The sentences of one document. [sentences][tokens]
using TokenDocument = std::vector<std::vector<TokenId>>;

struct SentencePairOptions {
  TokenId cls{};
  TokenId sep{};
  Index max_length = 128;          // of cls, first segment, sep, second segment, sep
  double short_probability = 0.1;  // of aiming at a random shorter length
  double false_probability = 0.5;  // of a random second segment, or of swapped segments
};

/// Labels as Hugging Face's BERT: the second segment follows the first, or it does not.
inline constexpr LabelId follows{0};
inline constexpr LabelId does_not_follow{1};

namespace detail {

using TokenSpan = std::span<const std::vector<TokenId>>;  // sentences

inline void check_sentence_pairs(const TokenDocument& document, const SentencePairOptions& options) {
  require(options.max_length >= 5, "cloze.sentence_pair.1",
          "max_length is {}: cls, two sep and two tokens need at least 5", options.max_length);
  for (const double share : {options.short_probability, options.false_probability})
    require(share >= 0 && share <= 1, "cloze.sentence_pair.1", "a probability is {}: wanted a share between 0 and 1",
            share);
  require(!document.empty(), "cloze.sentence_pair.2", "a document has no sentences");
  for (std::size_t i = 0; i < document.size(); ++i)
    require(!document[i].empty(), "cloze.sentence_pair.2", "sentence {} of a document has no tokens", i);
}

inline std::vector<TokenId> joined(TokenSpan sentences) {
  std::vector<TokenId> tokens;
  for (const auto& sentence : sentences) tokens.insert(tokens.end(), sentence.begin(), sentence.end());
  return tokens;
}

/// The longer side loses a token, from its start or its end by the toss of a coin, until both fit.
inline LmExample make_pair(std::span<const TokenId> first, std::span<const TokenId> second, LabelId label,
                           const SentencePairOptions& options, Rng& rng) {
  while (static_cast<Index>(first.size() + second.size()) > options.max_length - 3) {
    auto& longer = first.size() > second.size() ? first : second;
    longer = rng.uniform() < 0.5 ? longer.subspan(1) : longer.first(longer.size() - 1);
  }
  LmExample pair{.label = label};
  std::vector<TokenId>& ids = pair.prompt.ids;
  ids.push_back(options.cls);
  ids.insert(ids.end(), first.begin(), first.end());
  ids.push_back(options.sep);
  pair.prompt.segments.assign(ids.size(), 0);
  ids.insert(ids.end(), second.begin(), second.end());
  ids.push_back(options.sep);
  pair.prompt.segments.resize(ids.size(), 1);
  return pair;
}

/// Walks a document in chunks of at least the aimed length (fewer at its end). make(chunk, aimed length) says how many
/// of the chunk's sentences it used; the next chunk begins behind them.
template <class Make>
void for_each_chunk(const TokenDocument& document, const SentencePairOptions& options, Rng& rng, Make&& make) {
  const Index most = options.max_length - 3;
  Index aimed = most;
  if (rng.uniform() < options.short_probability)
    aimed = 2 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(most - 1)));
  for (std::size_t begin = 0; begin < document.size();) {
    Index tokens = 0;
    std::size_t end = begin;
    while (end < document.size() && (tokens < aimed || end == begin))
      tokens += static_cast<Index>(document[end++].size());
    const std::size_t used = make(TokenSpan(document).subspan(begin, end - begin), aimed);
    begin += used;
  }
}

}  // namespace detail

/// Next-sentence pairs of document `at`: with `false_probability`, or where only one sentence is left, the second
/// segment comes from another document, and the sentences that it displaced begin the next pair. No row predicts yet:
/// MaskedLm adds that. Errors: [cloze.sentence_pair.1] options out of range; [cloze.sentence_pair.2] a document without
/// sentences, a sentence without tokens; [cloze.sentence_pair.3] fewer than two documents, or no document `at`.
inline std::vector<LmExample> next_sentence_pairs(std::span<const TokenDocument> documents, Index at,
                                                  const SentencePairOptions& options, Rng& rng) {
  require(documents.size() >= 2, "cloze.sentence_pair.3", "{} documents: a random second segment needs at least two",
          documents.size());
  require(at >= 0 && at < static_cast<Index>(documents.size()), "cloze.sentence_pair.3", "no document {} among {}", at,
          documents.size());
  detail::check_sentence_pairs(documents[static_cast<std::size_t>(at)], options);
  std::vector<LmExample> pairs;
  detail::for_each_chunk(
      documents[static_cast<std::size_t>(at)], options, rng, [&](detail::TokenSpan chunk, Index aimed) -> std::size_t {
        const std::size_t in_first = chunk.size() < 2 ? 1 : 1 + static_cast<std::size_t>(rng.below(chunk.size() - 1));
        const std::vector<TokenId> first = detail::joined(chunk.first(in_first));
        if (chunk.size() > 1 && rng.uniform() >= options.false_probability) {
          pairs.push_back(detail::make_pair(first, detail::joined(chunk.subspan(in_first)), follows, options, rng));
          return chunk.size();
        }
        auto other = static_cast<std::size_t>(rng.below(documents.size() - 1));
        if (other >= static_cast<std::size_t>(at)) ++other;
        const TokenDocument& random = documents[other];
        detail::check_sentence_pairs(random, options);
        std::vector<TokenId> second;
        for (auto i = static_cast<std::size_t>(rng.below(random.size())); i < random.size(); ++i) {
          second.insert(second.end(), random[i].begin(), random[i].end());
          if (static_cast<Index>(first.size() + second.size()) >= aimed) break;
        }
        pairs.push_back(detail::make_pair(first, second, does_not_follow, options, rng));
        return in_first;
      });
  return pairs;
}

/// Sentence-order pairs of a document: two neighbouring segments, swapped with `false_probability` (label
/// does_not_follow). A sentence that is left alone at the end makes no pair. Errors: [cloze.sentence_pair.1] and
/// [cloze.sentence_pair.2] as above.
inline std::vector<LmExample> sentence_order_pairs(const TokenDocument& document, const SentencePairOptions& options,
                                                   Rng& rng) {
  detail::check_sentence_pairs(document, options);
  std::vector<LmExample> pairs;
  detail::for_each_chunk(document, options, rng, [&](detail::TokenSpan chunk, Index) -> std::size_t {
    if (chunk.size() < 2) return 1;
    const std::size_t in_first = 1 + static_cast<std::size_t>(rng.below(chunk.size() - 1));
    std::vector<TokenId> first = detail::joined(chunk.first(in_first));
    std::vector<TokenId> second = detail::joined(chunk.subspan(in_first));
    const bool swapped = rng.uniform() < options.false_probability;
    if (swapped) std::swap(first, second);
    pairs.push_back(detail::make_pair(first, second, swapped ? does_not_follow : follows, options, rng));
    return chunk.size();
  });
  return pairs;
}

}  // namespace cloze
