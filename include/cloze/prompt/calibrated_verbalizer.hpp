// CalibratedVerbalizer: any verbalizer, less what its model answers to an input without content.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <cloze/autograd/elementwise.hpp>
#include <cloze/core/error.hpp>
#include <cloze/prompt/verbalizer.hpp>

namespace cloze {

namespace detail {

/// What is added to label scores: -log of each label's share.   [labels] -> [labels]
/// Throws [cloze.calibration.1] where a share is not a positive number, or there are none.
inline std::vector<double> calibration_shift(std::span<const double> prior) {
  require(!prior.empty(), "cloze.calibration.1", "a calibration without labels");
  std::vector<double> shift;
  for (std::size_t label = 0; label < prior.size(); ++label) {
    require(std::isfinite(prior[label]) && prior[label] > 0, "cloze.calibration.1",
            "the content-free probability of label {} is {}; wanted a positive number", label, prior[label]);
    shift.push_back(-std::log(prior[label]));
  }
  return shift;
}

/// scores [examples, labels] + shift [labels]. Throws [cloze.calibration.2] where they do not fit.
template <Scalar T, Device D>
Tensor<T, D> shift_scores(const Tensor<T, D>& scores, std::span<const double> shift) {
  require(scores.rank() == 2 && scores.dim(1) == static_cast<Index>(shift.size()), "cloze.calibration.2",
          "scores {}, but the calibration has {} labels", scores.shape().text(), shift.size());
  const std::vector<T> row(shift.begin(), shift.end());
  return add_rows(scores, Tensor<T, D>::from(row, {static_cast<Index>(row.size())}));
}

}  // namespace detail

/// Divides each label's probability by its content-free probability: softmax(scores - log prior). Zhao et al.:
/// "Calibrate before use: improving few-shot performance of language models", ICML 2021 (diagonal W, b = 0).
/// content_free_prior (methods/calibration.hpp) measures a prior.
template <NamesWords V>
class CalibratedVerbalizer {
 public:
  /// prior [labels]: any positive scale. Errors: [cloze.calibration.1].
  CalibratedVerbalizer(V inner, std::span<const double> prior)
      : inner_(std::move(inner)), shift_(detail::calibration_shift(prior)) {}

  std::span<const TokenId> words() const { return inner_.words(); }
  std::span<const TokenId> label_words() const requires ShowsLabels<V> { return inner_.label_words(); }

  /// [masks, words] -> [examples, labels]   Throws [cloze.calibration.2] where the prior has other labels.
  template <Scalar T, Device D>
  requires Verbalizer<V, T, D> Tensor<T, D>
  operator()(const Tensor<T, D>& scores) const { return detail::shift_scores(Tensor<T, D>(inner_(scores)), shift_); }

  const V& inner() const { return inner_; }

 private:
  V inner_;
  std::vector<double> shift_;  // [labels]
};

}  // namespace cloze
