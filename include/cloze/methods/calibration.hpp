// Contextual calibration: measuring what a classifier answers to nothing, and taking it off its scores.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/autograd/losses.hpp>
#include <cloze/methods/predict.hpp>
#include <cloze/prompt/calibrated_verbalizer.hpp>

namespace cloze {

struct CalibrationOptions {
  /// Texts without content. They are text: "[MASK]" is spelled out, it does not become a mask.
  std::vector<std::string> texts{"N/A", "[MASK]", ""};
  bool pair = false;         // the task has two texts: both are the same
  Index draws = 1;           // draws of demonstrations to average over
  PredictOptions predict{};  // draw d > 0 has a seed of its own, made from predict.seed
};

/// The mean probability of each label over inputs without content.   -> [labels], sums to 1
/// Errors: predict's; [cloze.calibration.3] no texts or no draws.
template <ScoresExamples C>
std::vector<double> content_free_prior(const C& classifier, const CalibrationOptions& options = {}) {
  require(!options.texts.empty() && options.draws >= 1, "cloze.calibration.3",
          "{} content-free texts and {} draws; wanted at least 1 of each", options.texts.size(), options.draws);
  std::vector<Example> inputs;
  for (const std::string& text : options.texts) {
    inputs.push_back({.text_a = text, .source = "a content-free input"});
    if (options.pair) inputs.back().text_b = text;
  }
  std::vector<double> prior;
  Rng seeds(options.predict.seed, "draws");
  for (Index draw = 0; draw < options.draws; ++draw) {
    PredictOptions one = options.predict;
    if (draw > 0) one.seed = seeds.next_u64();
    const Evaluation found = predict(classifier, std::span<const Example>(inputs), one);
    prior.resize(static_cast<std::size_t>(found.labels));
    for (std::size_t row = 0; row < inputs.size(); ++row) {
      const auto scores = found.row(static_cast<Index>(row));
      const double highest = *std::ranges::max_element(scores);
      double total = 0;
      for (const double score : scores) total += std::exp(score - highest);
      for (std::size_t l = 0; l < prior.size(); ++l)
        prior[l] += std::exp(scores[l] - highest) / total / static_cast<double>(inputs.size()) /
                    static_cast<double>(options.draws);
    }
  }
  return prior;
}

/// Any classifier, calibrated: scores - log prior. Satisfies what the classifier does.
///   const CalibratedClassifier fair(classifier, content_free_prior(classifier));
template <ScoresExamples C>
class CalibratedClassifier {
 public:
  using value_type = typename C::value_type;
  using device = typename C::device;

  /// Errors: [cloze.calibration.1] a probability that is not positive.
  CalibratedClassifier(C inner, std::span<const double> prior)
      : inner_(std::move(inner)), shift_(detail::calibration_shift(prior)) {}

  /// -> [examples, labels]   Throws [cloze.calibration.2] where the prior has other labels.
  Tensor<value_type, device> scores(std::span<const Example> examples, const ForwardContext& context,
                                    Rng& demo_rng) const {
    return detail::shift_scores(inner_.scores(examples, context, demo_rng), shift_);
  }
  PackedBatch batch(std::span<const Example> examples, Rng& demo_rng) const requires PacksExamples<C> {
    return inner_.batch(examples, demo_rng);
  }
  Tensor<value_type, device> scores(const PackedBatch& packed,
                                    const ForwardContext& context) const requires PacksExamples<C> {
    return detail::shift_scores(inner_.scores(packed, context), shift_);
  }

  const C& inner() const { return inner_; }

 private:
  C inner_;
  std::vector<double> shift_;  // [labels]
};

}  // namespace cloze
