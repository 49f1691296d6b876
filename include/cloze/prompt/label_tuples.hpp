// best_label_tuples: the best combinations of one label word a class, exactly, without trying them all.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/prompt/label_pair_masks.hpp>

namespace cloze {

/// One word a class, and how many training examples the unmodified model answers rightly with them.
struct LabelTuple {
  std::vector<TokenId> words;  // [classes]
  Index correct = 0;

  friend bool operator==(const LabelTuple&, const LabelTuple&) = default;
};

/// What best_label_tuples found.
struct LabelTuples {
  std::vector<LabelTuple> tuples;  // best first; equal ones in the order of the product of the candidate lists
  Index nodes = 0;                 // partial tuples whose bounds were computed (depends on the number of threads)
};

namespace detail {

/// Depth-first over the classes in order, so that tuples come in the order of the product. At every partial tuple each
/// open class keeps only the candidates that some tuple as good as wanted can still have.
///
/// With P the examples that the chosen words leave right (open classes' examples count as right), candidate m of an
/// open class c takes away at least own(m) examples of c and shared(m) others. Own losses of different classes add up;
/// shared ones may be the same examples, so that only the largest counts: a tuple below this node loses at least Σ own
/// + max shared, hence at least Σ (own + shared / r) for r open classes. A candidate goes where own(m) + shared(m)
/// + Σ_others min own, or the weighted sum with the others' minima, exceeds what may be lost.
class TupleSearch {
 public:
  /// `floor`: at least `count` tuples are known to have so many right answers.
  TupleSearch(const PairMasks& masks, const LabelTupleOptions& options, Index floor)
      : masks_(masks), options_(options), floor_(floor), best_(options.count), levels_(masks.classes()) {
    choice_.resize(masks.classes());
  }

  /// All tuples whose first word is candidate `begin` … `end`-1 of the first class.
  void run(Index begin, Index end) {
    const std::size_t classes = masks_.classes();
    if (classes == 1) {  // with one class every answer is right
      for (choice_[0] = begin; choice_[0] < end; ++choice_[0]) best_.offer(masks_.size(0), choice_);
      return;
    }
    Level& root = levels_[0];
    root.kept.assign(masks_.everyone(), masks_.everyone() + masks_.words());
    root.open.resize(classes);
    for (std::size_t c = 1; c < classes; ++c) {
      root.open[c].clear();
      for (Index m = 0; m < masks_.candidates(c); ++m) {
        root.open[c].index.push_back(m);
        root.open[c].mask.insert(root.open[c].mask.end(), masks_.everyone(), masks_.everyone() + masks_.words());
      }
    }
    for (Index first = begin; first < end; ++first) descend(0, first, masks_.everyone());
  }

  const BestTuples& best() const { return best_; }
  Index nodes() const { return nodes_; }

 private:
  using Word = PairMasks::Word;

  /// Candidates of an open class that are still possible.
  struct Open {
    std::vector<Index> index;        // [left]
    std::vector<Word> mask;          // [left, words] what each leaves right, of all that the chosen words leave right
    std::vector<Index> own, shared;  // [left] examples it takes away from P

    void clear() {
      index.clear();
      mask.clear();
    }
  };
  struct Level {
    std::vector<Word> kept;  // [words] P
    std::vector<Open> open;  // [classes]
  };

  /// The least number of right answers that is of use. Tuples come in order: a later equal one is worse.
  Index wanted() const { return best_.full() ? std::max(floor_, best_.worst() + 1) : floor_; }

  /// Gives class `c` its candidate `m`, which leaves `mask` right, and goes on with the classes after it.
  void descend(std::size_t c, Index m, const Word* mask) {
    choice_[c] = m;
    const std::size_t words = masks_.words(), classes = masks_.classes();
    ++nodes_;
    require(nodes_ <= options_.max_nodes, "cloze.label_words.3",
            "the search for label words has looked at {} partial tuples: give fewer candidates, or raise max_nodes",
            options_.max_nodes);
    const Level& above = levels_[c];
    Level& level = levels_[c + 1];
    level.kept.resize(words);
    Index possible = 0;
    for (std::size_t w = 0; w < words; ++w) {
      level.kept[w] = above.kept[w] & mask[w];
      possible += std::popcount(level.kept[w]);
    }
    if (c + 2 == classes) return finish(c + 1, above.open[c + 1], level.kept.data());

    level.open.resize(classes);
    const auto left = static_cast<Index>(classes - c - 1);
    Index sum_own = 0, sum_weighted = 0;
    std::vector<std::pair<Index, Index>>& least = least_;  // [classes] least own and least weighted loss
    least.assign(classes, {0, 0});
    for (std::size_t d = c + 1; d < classes; ++d) {
      const Open& from = above.open[d];
      Open& to = level.open[d];
      to.clear();
      to.own.clear(), to.shared.clear();
      const Word* pairs = masks_.row(c, m, d);
      const Word* members = masks_.members(d);
      Index least_own = masks_.size(d) + 1, least_weighted = (left + 1) * (possible + 1);
      for (std::size_t i = 0; i < from.index.size(); ++i) {
        const Index candidate = from.index[i];
        if (options_.distinct && masks_.token(d, candidate) == masks_.token(c, m)) continue;
        Index remaining = 0, own = masks_.size(d);
        for (std::size_t w = 0; w < words; ++w) {
          const Word both = from.mask[i * words + w] & pairs[static_cast<std::size_t>(candidate) * words + w];
          to.mask.push_back(both);
          remaining += std::popcount(both & level.kept[w]);
          own -= std::popcount(both & members[w]);
        }
        const Index shared = possible - remaining - own;
        to.index.push_back(candidate);
        to.own.push_back(own);
        to.shared.push_back(shared);
        least_own = std::min(least_own, own);
        least_weighted = std::min(least_weighted, left * own + shared);
      }
      if (to.index.empty()) return;
      least[d] = {least_own, least_weighted};
      sum_own += least_own;
      sum_weighted += least_weighted;
    }
    const Index may_lose = possible - wanted();
    if (sum_own > may_lose || sum_weighted > left * may_lose) return;
    for (std::size_t d = c + 1; d < classes; ++d) {
      const Index others_own = sum_own - least[d].first, others_weighted = sum_weighted - least[d].second;
      Open& to = level.open[d];
      std::size_t stay = 0;
      for (std::size_t i = 0; i < to.index.size(); ++i) {
        const Index own = to.own[i], shared = to.shared[i];
        if (own + shared + others_own > may_lose || left * own + shared + others_weighted > left * may_lose) continue;
        to.index[stay] = to.index[i];
        for (std::size_t w = 0; w < words; ++w) to.mask[stay * words + w] = to.mask[i * words + w];
        ++stay;
      }
      if (stay == 0) return;
      to.index.resize(stay);
      to.mask.resize(stay * words);
    }
    const Open& next = level.open[c + 1];
    for (std::size_t i = 0; i < next.index.size(); ++i) descend(c + 1, next.index[i], next.mask.data() + i * words);
  }

  /// The last class: every candidate left makes a whole tuple.
  void finish(std::size_t c, const Open& from, const Word* kept) {
    const std::size_t words = masks_.words();
    const Word* pairs = masks_.row(c - 1, choice_[c - 1], c);
    for (std::size_t i = 0; i < from.index.size(); ++i) {
      const Index candidate = from.index[i];
      Index correct = 0;
      for (std::size_t w = 0; w < words; ++w)
        correct +=
            std::popcount(kept[w] & from.mask[i * words + w] & pairs[static_cast<std::size_t>(candidate) * words + w]);
      if (correct < wanted()) continue;
      if (options_.distinct && masks_.token(c, candidate) == masks_.token(c - 1, choice_[c - 1])) continue;
      choice_[c] = candidate;
      best_.offer(correct, choice_);
    }
  }

  const PairMasks& masks_;
  LabelTupleOptions options_;
  Index floor_;
  BestTuples best_;
  std::vector<Level> levels_;  // [classes] what is open below the choices so far
  std::vector<std::pair<Index, Index>> least_;
  std::vector<Index> choice_;  // [classes]
  Index nodes_ = 0;
};

}  // namespace detail

/// The tuples, one candidate a class, with which argmax over the words' scores answers most training examples rightly:
/// what LM-BFF gets by trying the whole product (peers: its label_search.py). Exact: the same tuples in the same order
/// as enumeration would give, ties by their place in the product, but found by branch and bound, so that five classes
/// of 100 words (10^10 tuples) are seconds. Uses all threads; the result does not depend on their number.
/// Errors: [cloze.label_words.1] labels that do not fit the scores, a class without examples or candidates;
/// [cloze.label_words.2] a candidate that the scores do not reach, a count below 1; [cloze.label_words.3] a search that
/// looked at more partial tuples than `max_nodes` allows (in one thread), or whose masks would take over 4 GiB.
inline LabelTuples best_label_tuples(const MaskScores& scores, std::span<const LabelId> labels,
                                     const std::vector<std::vector<TokenId>>& candidates,
                                     const LabelTupleOptions& options = {}) {
  const auto groups = detail::examples_of_classes(scores, labels, static_cast<Index>(candidates.size()));
  require(options.count >= 1, "cloze.label_words.2", "{} tuples: wanted at least 1", options.count);
  double bytes = 0;
  for (std::size_t a = 0; a < candidates.size(); ++a) {
    require(!candidates[a].empty(), "cloze.label_words.1", "class {} of {} has no candidates", a, candidates.size());
    detail::check_words(scores, candidates[a]);
    for (std::size_t b = a + 1; b < candidates.size(); ++b)
      bytes += static_cast<double>(candidates[a].size()) * static_cast<double>(candidates[b].size()) *
               static_cast<double>((scores.examples() + 63) / 64) * 8;
  }
  require(bytes <= 4.0 * (1 << 30), "cloze.label_words.3",
          "comparing all pairs of candidates on {} examples would take {:.1f} GiB: give fewer candidates",
          scores.examples(), bytes / (1 << 30));
  const detail::PairMasks masks(scores, groups, candidates);
  detail::BestTuples best = detail::climb_label_tuples(masks, options);
  const Index floor = best.full() ? best.worst() : 0;

  const auto firsts = static_cast<Index>(candidates.front().size());
  std::vector<std::optional<detail::TupleSearch>> parts(static_cast<std::size_t>(firsts));
  parallel_for(firsts, 1, [&](Index begin, Index end) {
    auto& part = parts[static_cast<std::size_t>(begin)];
    part.emplace(masks, options, floor);
    part->run(begin, end);
  });
  LabelTuples found;
  for (const auto& part : parts) {
    if (!part) continue;
    best.take(part->best());
    found.nodes += part->nodes();
  }
  for (const auto& [minus, choice] : best.tuples()) {
    LabelTuple& tuple = found.tuples.emplace_back();
    for (std::size_t c = 0; c < choice.size(); ++c) tuple.words.push_back(masks.token(c, choice[c]));
    tuple.correct = -minus;
  }
  return found;
}

}  // namespace cloze
