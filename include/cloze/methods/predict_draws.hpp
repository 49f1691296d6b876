// predict_draws: predictions averaged over several draws of demonstrations (LM-BFF's num_sample).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <cloze/methods/predict.hpp>

namespace cloze {

/// What is averaged over the draws: label scores, as LM-BFF does, or probabilities (a softmax of each draw's scores),
/// which a single confident draw cannot outvote. The result of the second is the logarithm of the mean.
enum class DrawAverage { scores, probabilities };

struct DrawOptions {
  Index draws = 16;  // Limits::num_sample
  DrawAverage average = DrawAverage::scores;
  PredictOptions predict{};  // draw d > 0 has a seed of its own, made from predict.seed
};

/// Scores every example with `draws` independent draws of demonstrations and averages. One draw is the same as predict.
/// Errors: predict's; [cloze.method.4] no draws.
template <ScoresExamples C>
Evaluation predict_draws(const C& classifier, std::span<const Example> examples, const DrawOptions& options = {}) {
  require(options.draws >= 1, "cloze.method.4", "{} draws of demonstrations; wanted 1 or more", options.draws);
  Evaluation mean;
  Rng seeds(options.predict.seed, "draws");
  for (Index draw = 0; draw < options.draws; ++draw) {
    PredictOptions one = options.predict;
    if (draw > 0) one.seed = seeds.next_u64();
    Evaluation found = predict(classifier, examples, one);
    if (options.draws == 1) return found;
    if (draw == 0) {
      mean.labels = found.labels;
      mean.scores.assign(found.scores.size(), 0.0);
    }
    const auto labels = static_cast<std::size_t>(found.labels);
    for (std::size_t row = 0; row < found.scores.size(); row += labels) {
      const double* scores = found.scores.data() + row;
      double total = 0;  // of the exponentials, for probabilities
      const double highest = *std::max_element(scores, scores + labels);
      for (std::size_t l = 0; l < labels; ++l) total += std::exp(scores[l] - highest);
      for (std::size_t l = 0; l < labels; ++l)
        mean.scores[row + l] +=
            (options.average == DrawAverage::scores ? scores[l] : std::exp(scores[l] - highest) / total) /
            static_cast<double>(options.draws);
    }
  }
  const auto labels = static_cast<std::size_t>(mean.labels);
  for (std::size_t row = 0; row < mean.scores.size(); row += labels) {
    const auto begin = mean.scores.begin() + static_cast<std::ptrdiff_t>(row);
    const auto end = begin + static_cast<std::ptrdiff_t>(labels);
    if (options.average == DrawAverage::probabilities)
      std::transform(begin, end, begin, [](double probability) { return std::log(probability); });
    mean.predictions.push_back(static_cast<LabelId>(std::max_element(begin, end) - begin));
  }
  return mean;
}
template <ScoresExamples C>
Evaluation predict_draws(const C& classifier, const std::vector<Example>& examples, const DrawOptions& options = {}) {
  return predict_draws(classifier, std::span<const Example>(examples), options);
}

}  // namespace cloze
