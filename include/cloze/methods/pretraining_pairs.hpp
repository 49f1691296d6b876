// Sentence pairs for pretraining, streamed: next-sentence prediction and sentence order over documents of text files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include <cloze/batch/objectives/next_sentence.hpp>
#include <cloze/data/stream.hpp>
#include <cloze/methods/pretraining_data.hpp>

namespace cloze {

enum class PairTask { next_sentence, sentence_order };

/// The work of a PrefetchedStream: the sentences (lines) of a document; those without tokens are left out.
template <TokenizerLike K>
struct EncodeDocument {
  K tokenizer;
  TokenDocument operator()(std::vector<Line> lines) const {
    TokenDocument document;
    for (const Line& line : lines)
      if (std::vector<TokenId> ids = tokenizer.encode(line.text); !ids.empty()) document.push_back(std::move(ids));
    return document;
  }
};

/// The work of a SentencePairStream: the pairs of some documents; the random second sentences of next-sentence
/// prediction come from one of the others.
struct MakeSentencePairs {
  PairTask task;
  SentencePairOptions options;

  /// Throws [cloze.sentence_pair.4] where several documents make no pair.
  std::vector<LmExample> operator()(std::vector<TokenDocument> documents, Rng& rng) const {
    const auto read = documents.size();
    std::erase_if(documents, [](const TokenDocument& document) { return document.empty(); });
    std::vector<LmExample> all;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      if (task == PairTask::next_sentence && documents.size() < 2) break;
      auto pairs = task == PairTask::sentence_order
                       ? sentence_order_pairs(documents[i], options, rng)
                       : next_sentence_pairs(documents, static_cast<Index>(i), options, rng);
      std::move(pairs.begin(), pairs.end(), std::back_inserter(all));
    }
    require(!all.empty() || read < 2, "cloze.sentence_pair.4",
            "{} documents in a row make no sentence pair: documents need several lines, and blank lines between them",
            read);
    return all;
  }
};

/// Pairs of the documents of a stream, `window` documents at a time.
template <ItemStream S>
class SentencePairStream : public WindowStream<S, MakeSentencePairs> {
 public:
  /// Errors: [cloze.stream.3] a window below 2.
  SentencePairStream(S documents, PairTask task, SentencePairOptions options, Index window, Rng rng)
      : WindowStream<S, MakeSentencePairs>(std::move(documents), {task, options}, window, std::move(rng), 2) {}
};

/// The pairs of one corpus for ever. A document ends at a blank line, at a file's end, or after `document_lines`.
/// Errors: LineStream's, SentencePairStream's.
template <TokenizerLike K>
ExampleStream pair_examples(const Corpus& corpus, const K& tokenizer, const PretrainingTokens& tokens, PairTask task,
                            const PretrainingDataOptions& options, const Rng& rng, Index document_lines = 64,
                            Index window = 256) {
  LineStreamOptions lines = options.lines;
  lines.passes = 0;
  if (corpus.held_out_files.empty()) lines.wanted = [rule = corpus.held_out](const Line& line) { return !rule(line); };
  PrefetchOptions prefetch = options.prefetch;
  prefetch.chunk = std::max<Index>(1, prefetch.chunk / 16);  // items are documents here
  return ExampleStream(SentencePairStream(
      PrefetchedStream(DocumentStream(corpus.files, lines, document_lines), prefetch, EncodeDocument<K>{tokenizer}),
      task, {.cls = tokens.cls, .sep = tokens.sep, .max_length = options.sequence}, window,
      rng.stream("pairs of " + corpus.name)));
}

}  // namespace cloze
