// How often each word stands in a corpus: what vocabularies are trained from. Words are cut exactly as the tokenizer
// will.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/text/normalizer.hpp>
#include <cloze/text/pre_tokenizer.hpp>

namespace cloze {

struct WordCount {
  std::string word = {};
  std::uint64_t count = 0;
};

/// Counts, on all threads, a part of the corpus at a time. The counts do not depend on the parts, nor on the threads.
class WordCounter {
 public:
  WordCounter(detail::text::Normalizer normalizer, detail::text::PreTokenizer pre_tokenizer)
      : normalizer_(std::move(normalizer)), pre_tokenizer_(std::move(pre_tokenizer)) {}

  /// Errors: [cloze.text.1] broken UTF-8; nothing of `texts` is counted then.
  void add(std::span<const std::string> texts) {
    std::mutex mutex;
    std::vector<Counts> parts;
    constexpr Index grain = 64;  // fewer texts than this do not repay a thread
    parallel_for(static_cast<Index>(texts.size()), grain, [&](Index begin, Index end) {
      Counts counts;
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) count(texts[i], counts);
      const std::lock_guard lock(mutex);
      parts.push_back(std::move(counts));
    });
    for (const Counts& part : parts)
      for (const auto& [word, times] : part) counts_[word] += times;
  }

  /// By the bytes of the words.
  std::vector<WordCount> sorted() const {
    std::vector<WordCount> words;
    words.reserve(counts_.size());
    for (const auto& [word, times] : counts_) words.push_back({word, times});
    std::sort(words.begin(), words.end(), [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
    return words;
  }

 private:
  using Counts = std::unordered_map<std::string, std::uint64_t>;

  void count(const std::string& text, Counts& counts) const {
    detail::text::NormalizedText normalized;
    normalized.assign(text, false);
    normalizer_(normalized);
    std::vector<detail::text::Piece> pieces{{0, normalized.size()}}, spare;
    pre_tokenizer_(normalized, true, pieces, spare);
    std::string word;
    for (const auto& piece : pieces) {
      word.clear();
      for (std::size_t i = piece.begin; i < piece.end; ++i) detail::text::append_utf8(word, normalized.points()[i]);
      if (!word.empty()) ++counts[word];
    }
  }

  detail::text::Normalizer normalizer_;
  detail::text::PreTokenizer pre_tokenizer_;
  Counts counts_;
};

}  // namespace cloze
