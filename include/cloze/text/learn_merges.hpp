// The heart of vocabulary training: the most frequent pair of neighbouring tokens becomes a token, again and again.
// Sennrich et al. 2016; order and ties as in Hugging Face tokenizers' BPE trainer.
#pragma once

#include <cstdint>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze::detail {

/// Tokens while a vocabulary grows: spelling to id and back.
class GrowingVocabulary {
 public:
  /// The id of a token, new or not.
  std::int32_t add(const std::string& token) {
    const auto [at, fresh] = ids_.try_emplace(token, static_cast<std::int32_t>(tokens_.size()));
    if (fresh) tokens_.push_back(token);
    return at->second;
  }
  /// The id, or -1.
  std::int32_t find(const std::string& token) const {
    const auto at = ids_.find(token);
    return at == ids_.end() ? -1 : at->second;
  }
  const std::string& token(std::int32_t id) const { return tokens_[static_cast<std::size_t>(id)]; }
  std::size_t size() const { return tokens_.size(); }
  const std::vector<std::string>& tokens() const { return tokens_; }

 private:
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<std::string> tokens_;
};

/// Words as tokens, and how often each word stands in the corpus.
struct TokenizedWords {
  std::vector<std::vector<std::int32_t>> words;  // [words][tokens]
  std::vector<std::uint64_t> counts;             // [words]
};

/// Merges pairs until there are `vocab_size` tokens or no pair is left with `min_frequency`. Pair counts are kept up to
/// date word by word, so a merge costs only the words that have the pair. Among equal counts the pair with the smaller
/// ids comes first. A second part that begins with `prefix` loses it in the merged token. Returns the merges by rank.
class MergeLearner {
 public:
  MergeLearner(TokenizedWords words, GrowingVocabulary& vocabulary, std::string_view prefix)
      : words_(std::move(words)), vocabulary_(vocabulary), prefix_(prefix) {
    for (std::size_t w = 0; w < words_.words.size(); ++w) {
      const auto& word = words_.words[w];
      for (std::size_t i = 0; i + 1 < word.size(); ++i) change(word[i], word[i + 1], w, true);
    }
    queue_raised();
  }

  std::vector<std::pair<std::int32_t, std::int32_t>> operator()(std::size_t vocab_size, std::uint64_t min_frequency) {
    std::vector<std::pair<std::int32_t, std::int32_t>> merges;
    while (vocabulary_.size() < vocab_size && !queue_.empty()) {
      Candidate best = queue_.top();
      queue_.pop();
      Pair& pair = pairs_.at(key(best.first, best.second));
      if (pair.count !=
          best.count) {  // stale: it has lost words since; had it won some, it would have been queued again
        if (pair.count > 0 && pair.count < best.count) queue_.push({pair.count, best.first, best.second});
        continue;
      }
      if (best.count < min_frequency || best.count == 0) break;
      std::string_view second = vocabulary_.token(best.second);
      if (!prefix_.empty() && second.starts_with(prefix_)) second.remove_prefix(prefix_.size());
      const std::int32_t merged = vocabulary_.add(vocabulary_.token(best.first) + std::string(second));
      // A pair can come back, where its second part arises in another way: it has its rank already.
      if (!std::exchange(pair.merged, true)) merges.emplace_back(best.first, best.second);
      for (const std::uint32_t w : std::exchange(pair.words, {})) merge(w, best.first, best.second, merged);
      queue_raised();
    }
    return merges;
  }

 private:
  struct Pair {
    std::uint64_t count = 0;
    std::vector<std::uint32_t> words;  // that have it, or had it
    bool merged = false;
    bool raised = false;
  };
  struct Candidate {
    std::uint64_t count;
    std::int32_t first, second;
    bool operator<(const Candidate& other) const {  // std::priority_queue gives the greatest
      if (count != other.count) return count < other.count;
      return first != other.first ? first > other.first : second > other.second;
    }
  };

  static std::uint64_t key(std::int32_t first, std::int32_t second) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(first)) << 32 | static_cast<std::uint32_t>(second);
  }

  /// One occurrence of a pair in word `w` more or less.
  void change(std::int32_t first, std::int32_t second, std::size_t w, bool more) {
    Pair& pair = pairs_[key(first, second)];
    if (!more) {
      pair.count -= words_.counts[w];
      return;
    }
    pair.count += words_.counts[w];
    if (pair.words.empty() || pair.words.back() != w) pair.words.push_back(static_cast<std::uint32_t>(w));
    if (!std::exchange(pair.raised, true)) raised_.emplace_back(first, second);
  }

  void merge(std::size_t w, std::int32_t first, std::int32_t second, std::int32_t merged) {
    std::vector<std::int32_t>& word = words_.words[w];
    std::size_t to = 0;
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (i + 1 == word.size() || word[i] != first || word[i + 1] != second) {
        word[to++] = word[i];
        continue;
      }
      change(first, second, w, false);
      if (to > 0) {
        change(word[to - 1], first, w, false);
        change(word[to - 1], merged, w, true);
      }
      if (i + 2 < word.size()) {
        change(second, word[i + 2], w, false);
        change(merged, word[i + 2], w, true);
      }
      word[to++] = merged;
      ++i;
    }
    word.resize(to);
  }

  void queue_raised() {
    for (const auto& [first, second] : raised_) {
      Pair& pair = pairs_.at(key(first, second));
      pair.raised = false;
      if (pair.count > 0) queue_.push({pair.count, first, second});
    }
    raised_.clear();
  }

  TokenizedWords words_;
  GrowingVocabulary& vocabulary_;
  std::string prefix_;
  std::unordered_map<std::uint64_t, Pair> pairs_;
  std::priority_queue<Candidate> queue_;
  std::vector<std::pair<std::int32_t, std::int32_t>> raised_;  // pairs that won occurrences since the last queueing
};

/// Puts special tokens first. Errors: [cloze.train_vocabulary.1] an empty one or one given twice, a required one
/// missing.
inline void add_special_tokens(GrowingVocabulary& vocabulary, const std::vector<std::string>& special,
                               const std::string& required) {
  for (const std::string& token : special) {
    require(!token.empty() && vocabulary.find(token) < 0, "cloze.train_vocabulary.1",
            "special token \"{}\" is empty or given twice", token);
    vocabulary.add(token);
  }
  require(required.empty() || vocabulary.find(required) >= 0, "cloze.train_vocabulary.1",
          "the special tokens lack \"{}\": the vocabulary would not be usable", required);
}

/// Errors: [cloze.train_vocabulary.2] a corpus without words, or a size that does not hold the tokens it begins with.
inline void check_training(std::size_t words, std::size_t tokens, Index vocab_size) {
  require(words > 0, "cloze.train_vocabulary.2", "the corpus has no words");
  require(vocab_size >= static_cast<Index>(tokens), "cloze.train_vocabulary.2",
          "a vocabulary of {} tokens: special tokens and single characters alone are {}", vocab_size, tokens);
}

}  // namespace cloze::detail
