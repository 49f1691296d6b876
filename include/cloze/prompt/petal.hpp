// petal_words: several label words a class by likelihood ratio (PETAL).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/prompt/label_words.hpp>

namespace cloze {

struct PetalOptions {
  Index words_per_label = 10;
  Index candidates = 1000;  // words a class by likelihood that are scored; 0: all
  bool normalize = true;    // weigh the examples of a class so that they count as much as the others together
  enum class Score { likelihood_ratio, cross_entropy } score = Score::likelihood_ratio;
  bool distinct = true;  // a word goes to the class where it scores highest; the original may give it to several
};

/// A label word and its score.
struct ScoredWord {
  TokenId id{};
  std::string text;
  double score = 0;
};

namespace detail {

/// log p and log(1 - p) of words at every mask.   [examples, words]
struct WordOdds {
  std::vector<double> yes, no;
};

inline WordOdds word_odds(const MaskScores& scores, std::span<const TokenId> words) {
  WordOdds odds;
  for (Index i = 0; i < scores.examples(); ++i) {
    const auto row = scores.row(i);
    const double highest = *std::ranges::max_element(row);
    double sum = 0;
    for (const double score : row) sum += std::exp(score - highest);
    for (const TokenId word : words) {
      const double yes = scores.at(i, word) - highest - std::log(sum);
      odds.yes.push_back(yes);
      odds.no.push_back(std::log(std::max(-std::expm1(yes), std::numeric_limits<double>::min())));
    }
  }
  return odds;
}

}  // namespace detail

/// For each class, the words whose probability at the mask speaks most for it and against the others, best first:
/// s Σ_class log(p / (1 - p)) + Σ_others log((1 - p) / p), with s = others / class where it is normalised (cross
/// entropy: s Σ_class log p + Σ_others log(1 - p)), summed over templates. Schick, Schmid, Schütze: "Automatically
/// identifying words that can serve as labels for few-shot text classification", COLING 2020 (peers: PET's petal.py).
/// `templates`: vocabulary_scores of the same examples, one for each template. `words`: those of at least two letters
/// (VocabularyWordsOptions::least_letters), the 10,000 most_frequent in the original. Equal words stay in the order of
/// the candidates.   -> [classes][words_per_label]
/// Errors: [cloze.label_words.1] labels that do not fit, a class without examples, no templates; [cloze.label_words.2]
/// no words, an option out of range, a class left without words.
inline std::vector<std::vector<ScoredWord>> petal_words(std::span<const MaskScores> templates,
                                                        std::span<const LabelId> labels, Index classes,
                                                        std::span<const VocabularyWord> words,
                                                        const PetalOptions& options = {}) {
  require(!templates.empty(), "cloze.label_words.1", "no mask scores to find words with");
  require(options.words_per_label >= 1 && options.candidates >= 0, "cloze.label_words.2",
          "{} words a label of {} candidates: wanted at least 1 and 0", options.words_per_label, options.candidates);
  const auto ids = detail::ids_of(words);
  std::vector<std::vector<Index>> groups;
  std::vector<detail::WordOdds> odds;
  for (const MaskScores& scores : templates) {
    groups = detail::examples_of_classes(scores, labels, classes);
    detail::check_words(scores, ids);
    odds.push_back(detail::word_odds(scores, ids));
  }
  const bool ratio = options.score == PetalOptions::Score::likelihood_ratio;
  std::vector<std::vector<double>> points(groups.size(), std::vector<double>(ids.size()));  // [classes, words]
  std::vector<std::vector<std::size_t>> candidates;
  for (std::size_t c = 0; c < groups.size(); ++c) {
    const auto own = static_cast<double>(groups[c].size()), others = static_cast<double>(labels.size()) - own;
    const double weight = options.normalize ? others / own : 1;
    std::vector<double> likelihood(ids.size());
    for (const auto& [yes, no] : odds)
      for (std::size_t i = 0; i < labels.size(); ++i) {
        const bool mine = value(labels[i]) == static_cast<Index>(c);
        for (std::size_t w = 0; w < ids.size(); ++w) {
          const double p = yes[i * ids.size() + w], q = no[i * ids.size() + w];
          if (mine) likelihood[w] += p;
          points[c][w] += mine ? weight * (ratio ? p - q : p) : (ratio ? q - p : q);
        }
      }
    candidates.push_back(
        detail::highest(likelihood, options.candidates > 0 ? options.candidates : static_cast<Index>(ids.size())));
  }
  std::vector<std::vector<ScoredWord>> best(groups.size());
  for (std::size_t c = 0; c < groups.size(); ++c) {
    std::vector<std::size_t> left = candidates[c];
    if (options.distinct)
      std::erase_if(left, [&](std::size_t w) {
        for (std::size_t d = 0; d < groups.size(); ++d) {
          const bool better = d < c ? points[d][w] >= points[c][w] : d > c && points[d][w] > points[c][w];
          if (better && std::ranges::find(candidates[d], w) != candidates[d].end()) return true;
        }
        return false;
      });
    require(!left.empty(), "cloze.label_words.2", "no word speaks more for class {} than for the others: allow more",
            c);
    std::vector<double> values;
    for (const std::size_t w : left) values.push_back(points[c][w]);
    for (const std::size_t i : detail::highest(values, options.words_per_label))
      best[c].push_back({ids[left[i]], words[left[i]].text, values[i]});
  }
  return best;
}

}  // namespace cloze
