// evaluate: scores a whole set batch by batch, with any function from examples to label scores.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <cloze/tensor/tensor.hpp>
#include <cloze/train/sampler.hpp>

namespace cloze {

/// What a model answered for a set of examples.
struct Evaluation {
  std::vector<LabelId> predictions;  // [examples] the label with the highest score; the first of equal ones
  std::vector<double> scores;        // [examples, labels]
  Index labels = 0;

  /// The label scores of one example.
  std::span<const double> row(Index example) const {
    return {scores.data() + example * labels, static_cast<std::size_t>(labels)};
  }
};

/// Calls `score` on each batch of indices, records no gradients, and puts the answers in the order of the examples.
/// `score(std::span<const Index>)` returns a tensor [batch, labels]. Every index 0 … examples-1 must be in one batch.
/// Errors: [cloze.evaluate.1] an index out of range, twice or missing, [cloze.evaluate.2] scores of another shape,
/// [cloze.evaluate.3] a score that is NaN.
template <class Score>
requires std::invocable<Score&, std::span<const Index>> Evaluation
evaluate(Score&& score, Index examples, std::span<const std::vector<Index>> batches) {
  const NoGrad no_grad;
  Evaluation result;
  std::vector<std::uint8_t> seen(static_cast<std::size_t>(examples));
  result.predictions.resize(static_cast<std::size_t>(examples));
  for (const auto& batch : batches) {
    if (batch.empty()) continue;
    for (const Index i : batch) {
      require(i >= 0 && i < examples && seen[static_cast<std::size_t>(i)] == 0, "cloze.evaluate.1",
              "example {} of {} is out of range or in two batches", i, examples);
      seen[static_cast<std::size_t>(i)] = 1;
    }
    const auto tensor = score(std::span<const Index>(batch));
    if (result.scores.empty() && tensor.rank() == 2 && tensor.dim(1) > 0) {
      result.labels = tensor.dim(1);
      result.scores.resize(static_cast<std::size_t>(examples * result.labels));
    }
    require(tensor.rank() == 2 && tensor.dim(0) == static_cast<Index>(batch.size()) && tensor.dim(1) == result.labels &&
                result.labels > 0,
            "cloze.evaluate.2", "wanted scores [{}, {}], found {}", batch.size(),
            result.labels == 0 ? "labels" : std::to_string(result.labels), tensor.shape());
    const auto values = tensor.to_vector();
    for (std::size_t b = 0; b < batch.size(); ++b) {
      Index best = 0;
      for (Index label = 0; label < result.labels; ++label) {
        const auto at = static_cast<Index>(b) * result.labels + label;
        const auto value = static_cast<double>(values[static_cast<std::size_t>(at)]);
        require(!std::isnan(value), "cloze.evaluate.3", "example {}: the score of label {} is NaN", batch[b], label);
        result.scores[static_cast<std::size_t>(batch[b] * result.labels + label)] = value;
        if (value >
            static_cast<double>(values[b * static_cast<std::size_t>(result.labels) + static_cast<std::size_t>(best)]))
          best = label;
      }
      result.predictions[static_cast<std::size_t>(batch[b])] = static_cast<LabelId>(best);
    }
  }
  for (std::size_t i = 0; i < seen.size(); ++i)
    require(seen[i], "cloze.evaluate.1", "example {} of {} is in no batch", i, examples);
  return result;
}

/// The same, handing `score` the examples themselves: `score(std::vector<Example>)`.
template <class Example, class Score>
requires std::invocable<Score&, std::vector<Example>> Evaluation evaluate(Score&& score,
                                                                          std::span<const Example> examples,
                                                                          std::span<const std::vector<Index>> batches) {
  return evaluate([&](std::span<const Index> batch) { return score(pick(examples, batch)); },
                  static_cast<Index>(examples.size()), batches);
}
template <class Example, class Score>
requires std::invocable<Score&, std::vector<Example>> Evaluation evaluate(Score&& score,
                                                                          const std::vector<Example>& examples,
                                                                          std::span<const std::vector<Index>> batches) {
  return evaluate(score, std::span<const Example>(examples), batches);
}

}  // namespace cloze
