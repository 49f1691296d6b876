// RegressionVerbalizer: a number between two poles, told by the probability of one word against another.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/autograd/elementwise.hpp>
#include <cloze/autograd/losses.hpp>
#include <cloze/autograd/shape_ops.hpp>
#include <cloze/autograd/softmax.hpp>
#include <cloze/data/task.hpp>
#include <cloze/prompt/word_verbalizer.hpp>

namespace cloze {

/// What training between two poles minimises.
enum class PoleLoss {
  /// Kullback-Leibler divergence of the two words' probabilities from the target (1 - u, u); its least value is 0,
  /// where
  /// the prediction is the target.
  divergence,
  /// LM-BFF's own code: it hands the target to a divergence that takes it for log probabilities, Σ exp(t)(t - log p),
  /// and divides by the elements. Its least value is at p = sigmoid(2u - 1): predictions are squeezed into the middle
  /// half of the bounds, in the right order. To reproduce published numbers.
  lmbff_compat
};

/// The score of an example is lower + (upper - lower) p, where p is the probability of the high word against the low
/// one at the mask (Gao, Fisch, Chen: "Making pre-trained language models better few-shot learners", ACL 2021, after
/// Mettes, van der Pol, Snoek: "Hyperspherical prototype networks", NeurIPS 2019).
///   words() -> [2] low, high;   operator(): [masks, 2] -> [masks, 1] in the task's units
class RegressionVerbalizer {
 public:
  /// Errors: WordVerbalizer's for the two words; [cloze.regression.1] bounds that enclose nothing.
  template <TokenizerLike Tokenizer>
  RegressionVerbalizer(const Tokenizer& tokenizer, const std::string& low, const std::string& high, Bounds bounds,
                       const WordOptions& options = {})
      : poles_(tokenizer, {{"low", {low}}, {"high", {high}}}, options), bounds_(bounds) {
    require(std::isfinite(bounds.lower) && std::isfinite(bounds.upper) && bounds.lower < bounds.upper,
            "cloze.regression.1", "scores between {} and {}: wanted a lower and a greater upper bound", bounds.lower,
            bounds.upper);
  }

  /// The published words and bounds of a regression task. Errors: the same, [cloze.regression.2] a task of labels.
  template <TokenizerLike Tokenizer, std::same_as<Task> T>
  RegressionVerbalizer(const Tokenizer& tokenizer, const T& task, const WordOptions& options = {})
      : RegressionVerbalizer(tokenizer, pole(task, 0), pole(task, 1), *task.columns.bounds, options) {}

  std::span<const TokenId> words() const noexcept { return poles_.words(); }
  /// What demonstrations show: the low word for label 0, the high word for label 1.   [2]
  std::span<const TokenId> label_words() const noexcept { return poles_.label_words(); }
  const std::vector<LabelWords>& labels() const noexcept { return poles_.labels(); }
  const WordOptions& options() const noexcept { return poles_.options(); }
  Bounds bounds() const noexcept { return bounds_; }

  /// Predictions in the task's units.   scores of words() [masks, 2] -> [masks, 1]
  /// Throws [cloze.verbalizer.3] where the columns are not words().
  template <Scalar T, Device D>
  Tensor<T, D> operator()(const Tensor<T, D>& scores) const {
    const auto high = scale(slice_columns(softmax(poles_(scores)), 1, 1), width<T>());
    return add(high, Tensor<T, D>::full(high.shape(), static_cast<T>(bounds_.lower)));
  }

  /// The mean loss of predictions against `targets`, in the task's units.   scores [masks, 2], targets [masks] ->
  /// scalar Throws [cloze.verbalizer.3]; [cloze.regression.3] where a target is outside the bounds or their number is
  /// not that of the masks.
  template <Scalar T, Device D>
  Tensor<T, D> loss(const Tensor<T, D>& scores, std::span<const float> targets,
                    PoleLoss kind = PoleLoss::divergence) const {
    const auto log_probs = log_softmax(poles_(scores));
    require(static_cast<Index>(targets.size()) == scores.rows(), "cloze.regression.3", "{} targets for {} predictions",
            targets.size(), scores.rows());
    std::vector<T> shares;
    shares.reserve(2 * targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
      require(targets[i] >= bounds_.lower && targets[i] <= bounds_.upper, "cloze.regression.3",
              "target {} of the batch is {}, outside the bounds {} to {}", i, targets[i], bounds_.lower, bounds_.upper);
      const T high = (static_cast<T>(targets[i]) - static_cast<T>(bounds_.lower)) / width<T>();
      for (const T share : {1 - high, high}) shares.push_back(kind == PoleLoss::lmbff_compat ? std::exp(share) : share);
    }
    // With e = exp(t) in the target's place, e (log e - log p) is the original's exp(t)(t - log p).
    return kl_div(log_probs, Tensor<T, D>::from(shares, log_probs.shape()),
                  kind == PoleLoss::lmbff_compat ? KlReduction::mean : KlReduction::batchmean);
  }

 private:
  template <class T>
  T width() const {
    return static_cast<T>(bounds_.upper) - static_cast<T>(bounds_.lower);
  }

  static const std::string& pole(const Task& task, std::size_t which) {
    require(task.columns.bounds.has_value() && task.label_words.size() == 2, "cloze.regression.2",
            "task {} has {} and {} label words: wanted bounds and two, for the low and the high pole", task.name,
            task.columns.bounds ? "bounds" : "no bounds", task.label_words.size());
    return task.label_words[which];
  }

  WordVerbalizer poles_;
  Bounds bounds_;
};

static_assert(Verbalizer<RegressionVerbalizer> && ShowsLabels<RegressionVerbalizer>);

}  // namespace cloze
