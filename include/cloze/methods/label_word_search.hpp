// find_label_words: label words found by the model itself, from a few labelled examples; and their ranking by training.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <cloze/methods/score.hpp>
#include <cloze/models/concepts.hpp>
#include <cloze/prompt/collate.hpp>
#include <cloze/prompt/label_tuples.hpp>
#include <cloze/prompt/label_words.hpp>
#include <cloze/train/metrics.hpp>
#include <cloze/train/progress.hpp>
#include <cloze/train/sampler.hpp>

namespace cloze {

/// The scores of the whole vocabulary at the mask of every example, without demonstrations: one forward pass each, in
/// batches of about `batch_tokens`.   examples [n] -> [n, vocab]
/// Errors: render's; [cloze.method.2] a template without exactly one mask, [cloze.evaluate.3] a score that is NaN.
template <MaskedLM Model, TokenizerLike Text>
MaskScores vocabulary_scores(const Model& model, const Text& tokenizer, const Template& prompt,
                             std::span<const Example> examples, const RenderOptions& options = {},
                             Index batch_tokens = 2048) {
  require(prompt.masks() == 1, "cloze.method.2", "template \"{}\" has {} masks: words are searched at one",
          prompt.text(), prompt.masks());
  const NoGrad no_grad;
  PackedBatch all;
  std::vector<Index> lengths;
  for (const Example& example : examples) {
    all.append(render(prompt, example, {}, tokenizer, {}, options));
    lengths.push_back(all.length(all.sequences() - 1));
  }
  MaskScores scores;
  for (const auto& batch : token_batches_by_length(lengths, batch_tokens)) {
    const auto logits = model.mask_logits(pick_sequences(all, batch), ForwardContext{});
    const auto values = logits.to_vector();
    scores.vocab = logits.columns();
    scores.values.resize(examples.size() * static_cast<std::size_t>(scores.vocab));
    for (std::size_t b = 0; b < batch.size(); ++b)
      for (Index w = 0; w < scores.vocab; ++w) {
        const auto found =
            static_cast<double>(values[b * static_cast<std::size_t>(scores.vocab) + static_cast<std::size_t>(w)]);
        require(!std::isnan(found), "cloze.evaluate.3", "example {}: the score of word {} is NaN", batch[b], w);
        scores.values[static_cast<std::size_t>(batch[b] * scores.vocab + w)] = found;
      }
  }
  return scores;
}

/// The rows [vocab, hidden] with which a model's head scores words.
template <class Model>
auto word_rows(const Model& model) {
  if constexpr (requires { model.mlm_head(); }) {
    return model.mlm_head().decoder();
  } else {
    return std::visit([](const auto& inner) { return inner.mlm_head().decoder(); }, model.variant());
  }
}

/// The `count` of `words` whose rows point most nearly where the row of `seed` does (cosine), nearest first, equal ones
/// by id. Errors: [cloze.label_words.2] a word outside the rows, no words.
template <Scalar T, Device D>
std::vector<TokenId> nearest_words(const Tensor<T, D>& rows, TokenId seed, std::span<const TokenId> words,
                                   Index count) {
  require(!words.empty() && count >= 1, "cloze.label_words.2", "the nearest {} of {} words", count, words.size());
  const auto values = rows.to_vector();
  const auto width = static_cast<std::size_t>(rows.columns());
  const auto row = [&](TokenId word) {
    require(value(word) >= 0 && value(word) < rows.rows(), "cloze.label_words.2",
            "word {} is outside the model's {} rows", value(word), rows.rows());
    return std::span<const T>(values).subspan(static_cast<std::size_t>(value(word)) * width, width);
  };
  const auto dot = [](std::span<const T> a, std::span<const T> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
  };
  std::vector<TokenId> sorted(words.begin(), words.end());
  std::ranges::sort(sorted);
  std::vector<double> cosines;
  const auto centre = row(seed);
  for (const TokenId word : sorted) {
    const double lengths = std::sqrt(dot(centre, centre) * dot(row(word), row(word)));
    cosines.push_back(lengths > 0 ? dot(centre, row(word)) / lengths : -2);  // a row of zeros points nowhere
  }
  std::vector<TokenId> nearest;
  for (const std::size_t i : detail::highest(cosines, count)) nearest.push_back(sorted[i]);
  return nearest;
}

/// A pair of words for the poles of a regression, and how well the unmodified model tells the scores with it.
struct PolePair {
  TokenId low{}, high{};
  double pearson = 0;
};

/// The `count` best of all pairs by the correlation of the high word's probability (against the low one) with the
/// targets; equal ones, and those without a correlation at the end, in the order of the product. `distinct` false keeps
/// pairs of one word, at -1, as LM-BFF does. Errors: likely_words'.
inline std::vector<PolePair> best_pole_pairs(const MaskScores& scores, std::span<const float> targets,
                                             const std::vector<std::vector<TokenId>>& candidates, Index count = 100,
                                             bool distinct = true) {
  require(candidates.size() == 2 && scores.examples() == static_cast<Index>(targets.size()), "cloze.label_words.1",
          "{} lists of words and {} targets of {} examples: wanted two poles, and a target for every example",
          candidates.size(), targets.size(), scores.examples());
  for (const auto& words : candidates) detail::check_words(scores, words);
  const std::vector<double> wanted(targets.begin(), targets.end());
  std::vector<double> shares(wanted.size()), found;
  std::vector<PolePair> pairs;
  for (const TokenId low : candidates[0])
    for (const TokenId high : candidates[1]) {
      if (low == high && distinct) continue;
      for (std::size_t i = 0; i < shares.size(); ++i)
        shares[i] = 1 / (1 + std::exp(scores.at(static_cast<Index>(i), low) - scores.at(static_cast<Index>(i), high)));
      pairs.push_back({low, high, low == high ? -1 : pearson(shares, wanted)});
      found.push_back(std::isnan(pairs.back().pearson) ? -2 : pairs.back().pearson);
    }
  std::vector<PolePair> best;
  for (const std::size_t i : detail::highest(found, count)) best.push_back(pairs[i]);
  return best;
}

struct LabelWordOptions {
  Index likely = 100;                // words a class that the model expects most; LM-BFF: 100, 1000 for trec
  std::vector<std::string> seeds{};  // a known word for each label: only its neighbours are tried (LM-BFF: trec only)
  Index neighbours = 30;             // of each seed; LM-BFF: 30, 20 for trec
  Index count = 100;                 // combinations to return
  bool distinct = true;              // no word for two labels
  VocabularyWordsOptions vocabulary{};
  RenderOptions render{.max_length = 256};
};

/// LM-BFF's own settings, words that stand for two labels included.
inline LabelWordOptions lmbff_label_words() { return {.distinct = false, .vocabulary = {.lmbff_compat = true}}; }

/// One word for each label, and how well they do: the unmodified model's accuracy on the training examples (regression:
/// correlation), or after rank_label_words the score given there.
struct FoundWords {
  std::vector<LabelWords> labels;
  double score = 0;
};

/// LM-BFF's search (Gao, Fisch, Chen, ACL 2021, section 5.1): the words that the unmodified model expects most at the
/// masks of each class, then the combinations of them that answer the training examples best. Examples with scores in
/// place of labels are a regression: `labels` names its low and high pole, and classes are below and above the median.
/// The best ones should then be ranked by fine-tuning: rank_label_words. Errors: vocabulary_scores',
/// best_label_tuples'; [cloze.method.1] an example without label; [cloze.label_words.2] seeds that are not one word a
/// label; [cloze.label_words.4] no combination without a repeated word.
template <MaskedLM Model, TokenizerLike Text>
std::vector<FoundWords> find_label_words(const Model& model, const Text& tokenizer, const Template& prompt,
                                         std::span<const Example> train, std::span<const std::string> labels,
                                         const LabelWordOptions& options = {}) {
  const bool regression = !train.empty() && !train.front().label && train.front().score;
  const auto targets = regression ? targets_of(train) : std::vector<float>{};
  const auto classes = regression ? median_classes(targets) : labels_of(train);
  const auto words = vocabulary_words(tokenizer, options.vocabulary);
  const MaskScores scores = vocabulary_scores(model, tokenizer, prompt, train, options.render);
  auto candidates = likely_words(scores, classes, static_cast<Index>(labels.size()), words, options.likely);
  if (!options.seeds.empty()) {
    require(options.seeds.size() == labels.size(), "cloze.label_words.2", "{} seed words for {} labels",
            options.seeds.size(), labels.size());
    for (std::size_t c = 0; c < labels.size(); ++c) {
      const auto ids = WordVerbalizer::find_word(tokenizer, options.seeds[c]);
      require(ids.size() == 1, "cloze.label_words.2", "seed word \"{}\" of label \"{}\" is {} tokens: wanted 1",
              options.seeds[c], labels[c], ids.size());
      candidates[c] = nearest_words(word_rows(model), ids.front(), candidates[c], options.neighbours);
    }
  }
  std::vector<FoundWords> found;
  if (regression) {
    for (const PolePair& pair : best_pole_pairs(scores, targets, candidates, options.count, options.distinct))
      found.push_back({label_words_of(labels, std::vector{pair.low, pair.high}, words), pair.pearson});
  } else {
    const auto best =
        best_label_tuples(scores, classes, candidates, {.count = options.count, .distinct = options.distinct});
    for (const LabelTuple& tuple : best.tuples)
      found.push_back({label_words_of(labels, tuple.words, words),
                       static_cast<double>(tuple.correct) / static_cast<double>(train.size())});
  }
  require(!found.empty(), "cloze.label_words.4",
          "every combination of the words has one of them for two labels: allow more words a class");
  return found;
}

/// Gives each combination the score that `train_and_score` returns for it (LM-BFF: fine-tune with these words, the
/// score on dev) and puts the best first; equal ones stay in their order, NaN comes last.
///   rank_label_words(found, [&](const std::vector<LabelWords>& labels) { …fine_tune(…).best.value(); })
template <std::invocable<const std::vector<LabelWords>&> Score>
std::vector<FoundWords> rank_label_words(std::span<const FoundWords> found, Score&& train_and_score,
                                         ProgressOptions shown = {.label = "rank label words"}) {
  std::vector<FoundWords> ranked(found.begin(), found.end());
  Progress progress(static_cast<Index>(ranked.size()), std::move(shown));
  for (const Index i : progress) {
    FoundWords& words = ranked[static_cast<std::size_t>(i)];
    words.score = train_and_score(std::as_const(words.labels));
  }
  std::ranges::stable_sort(ranked, std::ranges::greater{}, [](const FoundWords& words) {
    return std::isnan(words.score) ? -std::numeric_limits<double>::infinity() : words.score;
  });
  return ranked;
}

}  // namespace cloze
