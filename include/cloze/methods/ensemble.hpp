// Ensemble: several classifiers of one task (other templates, words, seeds) that answer together.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/methods/predict.hpp>
#include <cloze/methods/prompt_classifier.hpp>

namespace cloze {

/// How members' answers become one.
enum class EnsembleMean {
  probabilities,  // the weighted mean of the members' probabilities
  values,         // the weighted mean of the scores themselves: for regressors
  lmbff_compat    // the same for classifiers: LM-BFF averages raw scores, so that a member sure of itself counts more
};

namespace detail {

/// Errors: [cloze.ensemble.2] no members, another number of weights, a weight below 0 or not finite, all 0.
/// -> weights that add up to 1
inline std::vector<double> ensemble_weights(std::size_t members, std::span<const double> weights) {
  require(members > 0, "cloze.ensemble.2", "an ensemble without members");
  std::vector<double> shares(members, 1.0 / static_cast<double>(members));
  if (weights.empty()) return shares;
  require(weights.size() == members, "cloze.ensemble.2", "{} weights for {} members", weights.size(), members);
  double sum = 0;
  for (std::size_t m = 0; m < members; ++m) {
    require(std::isfinite(weights[m]) && weights[m] >= 0, "cloze.ensemble.2",
            "member {} has weight {}: wanted 0 or more", m, weights[m]);
    sum += weights[m];
  }
  require(sum > 0 && std::isfinite(sum), "cloze.ensemble.2", "the weights of {} members add up to {}", members, sum);
  for (std::size_t m = 0; m < members; ++m) shares[m] = weights[m] / sum;
  return shares;
}

/// Adds `weight` times a row of scores, or of its softmax, to `sum`.   [labels]
inline void add_answer(std::span<const double> scores, double weight, EnsembleMean mean, std::span<double> sum) {
  if (mean != EnsembleMean::probabilities) {
    for (std::size_t l = 0; l < sum.size(); ++l) sum[l] += weight * scores[l];
    return;
  }
  const double highest = *std::ranges::max_element(scores);
  double total = 0;
  for (const double score : scores) total += std::exp(score - highest);
  for (std::size_t l = 0; l < sum.size(); ++l) sum[l] += weight * std::exp(scores[l] - highest) / total;
}

}  // namespace detail

/// The joint answer of members to the same examples. Probabilities come out as their logarithms, so that they are
/// scores like any others: softmax gives the mean probabilities back. `weights` (say, scores on dev) are scaled to add
/// up to 1; none: all equal. Equal scores go to the first label. Errors: [cloze.ensemble.1] members that answered other
/// examples or labels, [cloze.ensemble.2] weights.
inline Evaluation mean_answers(std::span<const Evaluation> members, std::span<const double> weights = {},
                               EnsembleMean mean = EnsembleMean::probabilities) {
  const auto shares = detail::ensemble_weights(members.size(), weights);
  const Evaluation& first = members.front();
  for (std::size_t m = 0; m < members.size(); ++m)
    require(members[m].labels == first.labels && members[m].predictions.size() == first.predictions.size(),
            "cloze.ensemble.1", "member {} answered {} examples with {} labels, the first one {} with {}", m,
            members[m].predictions.size(), members[m].labels, first.predictions.size(), first.labels);
  Evaluation all{.predictions = {}, .scores = std::vector<double>(first.scores.size()), .labels = first.labels};
  for (Index i = 0; i < static_cast<Index>(first.predictions.size()); ++i) {
    const auto row = std::span<double>(all.scores)
                         .subspan(static_cast<std::size_t>(i * all.labels), static_cast<std::size_t>(all.labels));
    for (std::size_t m = 0; m < members.size(); ++m) detail::add_answer(members[m].row(i), shares[m], mean, row);
    if (mean == EnsembleMean::probabilities)
      for (double& value : row) value = std::log(value);
    all.predictions.push_back(static_cast<LabelId>(std::ranges::max_element(row) - row.begin()));
  }
  return all;
}

/// Classifiers of one task as one. It scores as a classifier does, so that predict() takes it; it does not train.
template <ScoresExamples Member>
class Ensemble {
 public:
  using value_type = typename Member::value_type;
  using device = typename Member::device;

  /// `weights`: one a member, for instance its score on dev; none: all equal. Errors: [cloze.ensemble.1] members whose
  /// labels differ, or differ in order; [cloze.ensemble.2] no members, weights that do not fit.
  explicit Ensemble(std::vector<Member> members, std::vector<double> weights = {},
                    EnsembleMean mean = EnsembleMean::probabilities)
      : members_(std::move(members)), weights_(std::move(weights)), mean_(mean) {
    if (weights_.empty()) weights_.assign(members_.size(), 1);
    detail::ensemble_weights(members_.size(), weights_);
    if constexpr (requires(const Member& member) { member.verbalizer().label_names(); })
      for (std::size_t m = 1; m < members_.size(); ++m) check_labels(m);
  }

  /// ->  [examples, labels], without gradients. Errors: the members', [cloze.ensemble.1] scores of another shape.
  Tensor<value_type, device> scores(std::span<const Example> examples, const ForwardContext& context, Rng& rng) const {
    const NoGrad no_grad;
    std::vector<Evaluation> answers;
    for (const Member& member : members_) {
      const auto found = member.scores(examples, context, rng);
      const auto values = found.to_vector();
      answers.push_back({.predictions = std::vector<LabelId>(examples.size()),
                         .scores = std::vector<double>(values.begin(), values.end()),
                         .labels = found.columns()});
    }
    const auto all = mean_answers(answers, weights_, mean_);
    return Tensor<value_type, device>::from(std::vector<value_type>(all.scores.begin(), all.scores.end()),
                                            {static_cast<Index>(examples.size()), all.labels});
  }

  /// Answers one text, or a pair.
  Prediction predict(std::string_view text_a, std::optional<std::string_view> text_b = std::nullopt) const {
    Example example{.text_a = std::string(text_a)};
    if (text_b) example.text_b = std::string(*text_b);
    Rng rng(0, "demos");
    const auto values = scores({&example, 1}, {}, rng).to_vector();
    const std::vector<double> row(values.begin(), values.end());
    Prediction answer;
    answer.probabilities.resize(row.size());
    detail::add_answer(row, 1, EnsembleMean::probabilities, answer.probabilities);
    answer.label = static_cast<LabelId>(std::ranges::max_element(row) - row.begin());
    return answer;
  }

  const std::vector<Member>& members() const { return members_; }
  /// As given.   [members]
  const std::vector<double>& weights() const { return weights_; }
  EnsembleMean mean() const { return mean_; }

 private:
  void check_labels(std::size_t m) const {
    const auto text = [](const std::vector<std::string>& names) {
      std::string all;
      for (const std::string& name : names) all += (all.empty() ? "\"" : ", \"") + name + "\"";
      return all;
    };
    const auto& first = members_.front().verbalizer().label_names();
    const auto& names = members_[m].verbalizer().label_names();
    require(names == first, "cloze.ensemble.1", "member {} has the labels {}, the first one {}", m, text(names),
            text(first));
  }

  std::vector<Member> members_;
  std::vector<double> weights_;  // [members]
  EnsembleMean mean_;
};

}  // namespace cloze
