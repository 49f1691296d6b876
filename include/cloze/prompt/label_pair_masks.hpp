// What the search for label words knows of the candidates: which examples each pair of words leaves right, as bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include <cloze/core/rng.hpp>
#include <cloze/prompt/label_words.hpp>

namespace cloze {

struct LabelTupleOptions {
  Index count = 100;                     // how many tuples to return
  bool distinct = true;                  // no word stands for two classes; LM-BFF allows it, a WordVerbalizer does not
  Index max_nodes = Index{200'000'000};  // partial tuples to look at before giving up: a search that would take hours
};

namespace detail {

/// Tuples as indices into the candidate lists, best first, at most so many. The order is total: more right answers
/// first, then the earlier one in the product.
class BestTuples {
 public:
  explicit BestTuples(Index count) : count_(static_cast<std::size_t>(count)) {}

  void offer(Index correct, std::span<const Index> choice) {
    if (full() && correct < worst()) return;
    tuples_.emplace(-correct, std::vector<Index>(choice.begin(), choice.end()));
    if (tuples_.size() > count_) tuples_.erase(std::prev(tuples_.end()));
  }
  void take(const BestTuples& other) {
    for (const auto& [minus, choice] : other.tuples_) offer(-minus, choice);
  }
  bool full() const { return tuples_.size() == count_; }
  Index worst() const { return -tuples_.rbegin()->first; }
  const std::set<std::pair<Index, std::vector<Index>>>& tuples() const { return tuples_; }

 private:
  std::size_t count_;
  std::set<std::pair<Index, std::vector<Index>>> tuples_;  // (-correct, choice)
};

/// Which examples the candidates of two classes leave right, one bit an example, for every pair of candidates. An
/// example of either class keeps its bit where its own class's word beats the other one (the first class wins ties, as
/// argmax has it); all others keep theirs. A tuple's right answers are the AND over its pairs.
class PairMasks {
 public:
  using Word = std::uint64_t;

  PairMasks(const MaskScores& scores, const std::vector<std::vector<Index>>& groups,
            const std::vector<std::vector<TokenId>>& candidates)
      : candidates_(candidates), groups_(groups), words_(static_cast<std::size_t>(scores.examples() + 63) / 64) {
    const std::size_t classes = groups.size();
    members_.resize(classes, std::vector<Word>(words_));
    for (std::size_t c = 0; c < classes; ++c)
      for (const Index i : groups[c]) set(members_[c].data(), i);
    everyone_.assign(words_, 0);
    for (Index i = 0; i < scores.examples(); ++i) set(everyone_.data(), i);
    masks_.resize(classes * classes);
    for (std::size_t a = 0; a < classes; ++a)
      for (std::size_t b = a + 1; b < classes; ++b) compare(scores, a, b);
  }

  std::size_t classes() const { return groups_.size(); }
  std::size_t words() const { return words_; }
  Index candidates(std::size_t c) const { return static_cast<Index>(candidates_[c].size()); }
  TokenId token(std::size_t c, Index candidate) const { return candidates_[c][static_cast<std::size_t>(candidate)]; }
  const Word* everyone() const { return everyone_.data(); }
  const Word* members(std::size_t c) const { return members_[c].data(); }
  Index size(std::size_t c) const { return static_cast<Index>(groups_[c].size()); }

  /// The masks of candidate i of class a with every candidate of class b > a.   -> [candidates of b][words]
  const Word* row(std::size_t a, Index i, std::size_t b) const {
    return masks_[a * classes() + b].data() + static_cast<std::size_t>(i * candidates(b)) * words_;
  }

  /// The right answers of a whole tuple.
  Index correct(std::span<const Index> choice) const {
    Index count = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      Word kept = everyone_[w];
      for (std::size_t a = 0; a < classes(); ++a)
        for (std::size_t b = a + 1; b < classes(); ++b)
          kept &= row(a, choice[a], b)[static_cast<std::size_t>(choice[b]) * words_ + w];
      count += std::popcount(kept);
    }
    return count;
  }

 private:
  static void set(Word* mask, Index i) { mask[i / 64] |= Word{1} << (i % 64); }

  void compare(const MaskScores& scores, std::size_t a, std::size_t b) {
    auto& masks = masks_[a * classes() + b];
    masks.resize(static_cast<std::size_t>(candidates(a) * candidates(b)) * words_);
    Word* mask = masks.data();
    for (const TokenId first : candidates_[a])
      for (const TokenId second : candidates_[b]) {
        std::copy(everyone_.begin(), everyone_.end(), mask);
        for (const std::size_t c : {a, b})
          for (const Index i : groups_[c]) {
            const bool first_wins = scores.at(i, first) >= scores.at(i, second);
            if (first_wins != (c == a)) mask[i / 64] &= ~(Word{1} << (i % 64));
          }
        mask += words_;
      }
  }

  const std::vector<std::vector<TokenId>>& candidates_;
  const std::vector<std::vector<Index>>& groups_;
  std::size_t words_;
  std::vector<Word> everyone_;              // [words]
  std::vector<std::vector<Word>> members_;  // [classes][words]
  std::vector<std::vector<Word>> masks_;    // [classes, classes], where a < b: [candidates, candidates, words]
};

/// Good tuples, found quickly and without a claim to be the best: from many starts, one class's word after the other is
/// replaced by the best one for the others.
inline BestTuples climb_label_tuples(const PairMasks& masks, const LabelTupleOptions& options) {
  BestTuples best(options.count);
  Rng rng(0, "label tuples");
  std::vector<Index> choice(masks.classes());
  const auto allowed = [&](std::span<const Index> tuple) {
    if (!options.distinct) return true;
    for (std::size_t a = 0; a < tuple.size(); ++a)
      for (std::size_t b = a + 1; b < tuple.size(); ++b)
        if (masks.token(a, tuple[a]) == masks.token(b, tuple[b])) return false;
    return true;
  };
  constexpr int starts = 200;
  for (int start = 0; start < starts; ++start) {
    for (std::size_t c = 0; c < choice.size(); ++c)
      choice[c] = static_cast<Index>(rng.below(static_cast<std::uint64_t>(masks.candidates(c))));
    Index reached = -1;
    for (bool climbing = true; climbing;) {
      climbing = false;
      for (std::size_t c = 0; c < choice.size(); ++c) {
        Index top = choice[c];
        for (Index m = 0; m < masks.candidates(c); ++m) {
          choice[c] = m;
          if (!allowed(choice)) continue;
          const Index correct = masks.correct(choice);
          best.offer(correct, choice);
          if (correct <= reached) continue;
          reached = correct, top = m, climbing = true;
        }
        choice[c] = top;
      }
    }
  }
  return best;
}

}  // namespace detail

}  // namespace cloze
