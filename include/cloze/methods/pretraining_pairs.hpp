// Sentence pairs for pretraining, streamed: next-sentence prediction and sentence order over documents of text files.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <cloze/batch/objectives/next_sentence.hpp>
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

/// Pairs of the documents of a stream, `window` documents at a time: the random second sentences of next-sentence
/// prediction come from the same window. The state is where the window began and how many of its pairs are used.
template <ItemStream S>
class SentencePairStream {
 public:
  using Item = LmExample;

  /// Errors: [cloze.stream.3] a window below 2.
  SentencePairStream(S documents, PairTask task, SentencePairOptions options, Index window, Rng rng)
      : documents_(std::move(documents)),
        task_(task),
        options_(options),
        window_(window),
        rng_(std::move(rng)),
        before_(begin_window()) {
    require(window >= 2, "cloze.stream.3", "sentence pairs from {} documents at a time: wanted at least 2", window);
  }

  /// Errors: [cloze.sentence_pair.4] a whole window of documents that make no pair; what the source throws.
  std::optional<LmExample> next() {
    if (taken_ == pairs_.size()) {
      before_ = begin_window();
      if (!fill()) return std::nullopt;
    }
    return std::move(pairs_[taken_++]);
  }

  nlohmann::json state() const {
    nlohmann::json state = before_;
    state["taken"] = taken_;
    return state;
  }
  /// Errors: [cloze.json.2] not such a state; [cloze.stream.2] one of another window; what the source throws.
  void restore(const nlohmann::json& state) {
    const auto window = json_get<Index>(state, "window", "stream state");
    const auto taken = json_get<std::size_t>(state, "taken", "stream state");
    require(window == window_, "cloze.stream.2", "the state is of {} documents at a time, this stream has {}", window,
            window_);
    rng_ = detail::rng_from_json(json_get<nlohmann::json>(state, "rng", "stream state"));
    documents_.restore(json_get<nlohmann::json>(state, "source", "stream state"));
    before_ = begin_window();
    pairs_.clear();
    taken_ = 0;
    if (taken > 0) fill();
    require(taken <= pairs_.size(), "cloze.stream.2", "the state has used {} pairs of a window that has {}", taken,
            pairs_.size());
    taken_ = taken;
  }

 private:
  nlohmann::json begin_window() const {
    nlohmann::json state;
    state["source"] = documents_.state();
    state["rng"] = detail::to_json(rng_.state());
    state["window"] = window_;
    return state;
  }

  bool fill() {
    std::vector<TokenDocument> documents;
    while (static_cast<Index>(documents.size()) < window_) {
      auto document = documents_.next();
      if (!document) break;
      if (!document->empty()) documents.push_back(std::move(*document));
    }
    pairs_.clear();
    taken_ = 0;
    const bool enough = task_ == PairTask::sentence_order ? !documents.empty() : documents.size() >= 2;
    if (!enough) return false;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      auto pairs = task_ == PairTask::sentence_order
                       ? sentence_order_pairs(documents[i], options_, rng_)
                       : next_sentence_pairs(documents, static_cast<Index>(i), options_, rng_);
      for (LmExample& pair : pairs) pairs_.push_back(std::move(pair));
    }
    require(!pairs_.empty(), "cloze.sentence_pair.4",
            "{} documents in a row make no sentence pair: documents need several lines, and blank lines between them",
            documents.size());
    return true;
  }

  S documents_;
  PairTask task_;
  SentencePairOptions options_;
  Index window_;
  Rng rng_;
  nlohmann::json before_;
  std::vector<LmExample> pairs_;
  std::size_t taken_ = 0;
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
