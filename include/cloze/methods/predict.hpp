// predict: what a classifier answers for many examples, in batches of tokens, in the order of the examples.
#pragma once

#include <concepts>
#include <cstdint>
#include <ranges>
#include <span>
#include <utility>
#include <vector>

#include <cloze/batch/packed_batch.hpp>
#include <cloze/nn/forward_context.hpp>
#include <cloze/prompt/collate.hpp>
#include <cloze/train/evaluate.hpp>

namespace cloze {

/// scores(examples, context, demo_rng) -> [examples, labels]: all that predict asks of a classifier.
template <class C>
concept ScoresExamples = requires(const C& classifier, std::span<const Example> examples, const ForwardContext& context,
                                  Rng& rng) {
  { classifier.scores(examples, context, rng) } -> std::same_as<Tensor<typename C::value_type, typename C::device>>;
};

/// A classifier that renders apart from scoring, as PromptClassifier and StandardClassifier do: predict then knows the
/// length of every prompt before any is scored.   batch(examples, demo_rng) -> one sequence for each example
template <class C>
concept PacksExamples = ScoresExamples<C> &&
    requires(const C& classifier, std::span<const Example> examples, const PackedBatch& packed,
             const ForwardContext& context, Rng& rng) {
  { classifier.batch(examples, rng) } -> std::same_as<PackedBatch>;
  { classifier.scores(packed, context) } -> std::same_as<Tensor<typename C::value_type, typename C::device>>;
};

struct PredictOptions {
  std::uint64_t seed = 0;     // of the demonstrations: drawn example by example, whatever the batches
  Index batch_tokens = 2048;  // scored at once; a longer example goes alone
  Index batch_examples = 32;  // the same for a classifier that scores examples only, whose lengths are not known
  Index window = 1024;        // examples rendered ahead and put in order of length: what memory grows with
};

namespace detail {

template <ScoresExamples C>
Evaluation predict_window(const C& classifier, std::span<const Example> examples, const PredictOptions& options,
                          Rng& demo_rng) {
  const auto size = static_cast<Index>(examples.size());
  if constexpr (PacksExamples<C>) {
    const PackedBatch all = classifier.batch(examples, demo_rng);
    std::vector<Index> lengths;
    for (Index s = 0; s < all.sequences(); ++s) lengths.push_back(all.length(s));
    return evaluate(
        [&](std::span<const Index> chosen) { return classifier.scores(pick_sequences(all, chosen), ForwardContext{}); },
        size, token_batches_by_length(lengths, options.batch_tokens));
  } else {
    return evaluate([&](std::vector<Example> chosen) { return classifier.scores(chosen, {}, demo_rng); }, examples,
                    sequential_batches(size, options.batch_examples));
  }
}

}  // namespace detail

/// Scores examples as they come, without gradients, and calls `answer(example, label, scores)` for each, in order:
/// for data that do not fit into memory. At most `window` examples are held. Returns how many there were.
///   predict_each(classifier, examples, [](const Example& example, LabelId label, std::span<const double> scores) {…})
/// Work that prompts have in common is not shared: a masked language model reads in both directions, so what stands
/// after a common beginning changes all of it, and no part of the result could be kept exactly.
/// Errors: the classifier's, evaluate's, [cloze.sampler.2] a batch below 1, [cloze.predict.1] a window below 1.
template <ScoresExamples C, ExampleRange Examples,
          std::invocable<const Example&, LabelId, std::span<const double>> Answer>
Index predict_each(const C& classifier, Examples&& examples, Answer&& answer, const PredictOptions& options = {}) {
  require(options.window >= 1, "cloze.predict.1", "a window of {} examples: wanted at least 1", options.window);
  const NoGrad no_grad;
  Rng demo_rng(options.seed, "evaluation demos");
  std::vector<Example> window;
  Index count = 0;
  const auto flush = [&] {
    const Evaluation found = detail::predict_window(classifier, std::span<const Example>(window), options, demo_rng);
    for (std::size_t i = 0; i < window.size(); ++i)
      answer(std::as_const(window[i]), found.predictions[i], found.row(static_cast<Index>(i)));
    count += static_cast<Index>(window.size());
    window.clear();
  };
  for (auto&& item : examples) {
    window.push_back(detail::as_example(item));
    if (static_cast<Index>(window.size()) == options.window) flush();
  }
  if (!window.empty()) flush();
  return count;
}

/// The same for a set in memory, with every answer kept. Errors: as predict_each.
template <ScoresExamples C>
Evaluation predict(const C& classifier, std::span<const Example> examples, const PredictOptions& options = {}) {
  Evaluation all;
  all.predictions.reserve(examples.size());
  predict_each(
      classifier, examples,
      [&](const Example&, LabelId label, std::span<const double> scores) {
        require(all.labels == 0 || all.labels == static_cast<Index>(scores.size()), "cloze.evaluate.2",
                "wanted scores of {} labels, found {}", all.labels, scores.size());
        all.labels = static_cast<Index>(scores.size());
        all.predictions.push_back(label);
        for (const double score : scores) all.scores.push_back(score);
      },
      options);
  return all;
}

}  // namespace cloze
