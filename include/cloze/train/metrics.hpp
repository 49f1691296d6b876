// Scores of predictions: accuracy, F1, Matthews' and Pearson's and Spearman's correlation, as scikit-learn and SciPy
// define them.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

// Errors, in every function: [cloze.metrics.1] the two lists differ in length, [cloze.metrics.2] there is nothing to
// score (correlations: fewer than two points).

namespace detail {

inline void check_metric(std::size_t found, std::size_t wanted, std::size_t least) {
  require(found == wanted, "cloze.metrics.1", "{} predictions for {} labels", found, wanted);
  require(found >= least, "cloze.metrics.2", "{} predictions: wanted at least {}", found, least);
}

/// How often a class was predicted, was right, and was both.
struct ClassCounts {
  LabelId label;
  double predicted = 0, labelled = 0, both = 0;

  /// 2TP / (2TP + FP + FN); 0 where the class was neither predicted nor labelled.
  double f1() const { return predicted + labelled == 0 ? 0 : 2 * both / (predicted + labelled); }
};

/// The counts of every class that was predicted or labelled at least once.
inline std::vector<ClassCounts> count_classes(std::span<const LabelId> predictions, std::span<const LabelId> labels) {
  std::vector<ClassCounts> counts;
  const auto of = [&](LabelId label) -> ClassCounts& {
    for (ClassCounts& known : counts)
      if (known.label == label) return known;
    counts.push_back({label});
    return counts.back();
  };
  for (std::size_t i = 0; i < labels.size(); ++i) {
    ++of(predictions[i]).predicted;
    ++of(labels[i]).labelled;
    if (predictions[i] == labels[i]) ++of(labels[i]).both;
  }
  return counts;
}

}  // namespace detail

/// The share of predictions that equal their label, in [0, 1].
inline double accuracy(std::span<const LabelId> predictions, std::span<const LabelId> labels) {
  detail::check_metric(predictions.size(), labels.size(), 1);
  double right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += predictions[i] == labels[i];
  return right / static_cast<double>(labels.size());
}

/// F1 of one class, in [0, 1]; 0 where that class was neither predicted nor labelled.
inline double f1_binary(std::span<const LabelId> predictions, std::span<const LabelId> labels,
                        LabelId positive = LabelId{1}) {
  detail::check_metric(predictions.size(), labels.size(), 1);
  for (const auto& counts : detail::count_classes(predictions, labels))
    if (counts.label == positive) return counts.f1();
  return 0;
}

/// The mean of F1 over the classes that were predicted or labelled at least once, in [0, 1].
inline double f1_macro(std::span<const LabelId> predictions, std::span<const LabelId> labels) {
  detail::check_metric(predictions.size(), labels.size(), 1);
  const auto counts = detail::count_classes(predictions, labels);
  double sum = 0;
  for (const auto& count : counts) sum += count.f1();
  return sum / static_cast<double>(counts.size());
}

/// Matthews' correlation for any number of classes, in [-1, 1]; 0 where all predictions or all labels are one class.
/// Gorodkin: "Comparing two K-category assignments by a K-category correlation coefficient", 2004.
inline double matthews(std::span<const LabelId> predictions, std::span<const LabelId> labels) {
  detail::check_metric(predictions.size(), labels.size(), 1);
  const double n = static_cast<double>(labels.size());
  double right = 0, products = 0, predicted = 0, labelled = 0;
  for (const auto& count : detail::count_classes(predictions, labels)) {
    right += count.both;
    products += count.predicted * count.labelled;
    predicted += count.predicted * count.predicted;
    labelled += count.labelled * count.labelled;
  }
  const double spread = (n * n - predicted) * (n * n - labelled);
  return spread == 0 ? 0 : (right * n - products) / std::sqrt(spread);
}

/// The mean of the squared differences of predictions and targets.
inline double mean_squared_error(std::span<const double> predictions, std::span<const double> targets) {
  detail::check_metric(predictions.size(), targets.size(), 1);
  double sum = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) sum += (predictions[i] - targets[i]) * (predictions[i] - targets[i]);
  return sum / static_cast<double>(targets.size());
}

/// Pearson's correlation, in [-1, 1]; NaN where either list is constant or holds a NaN.
inline double pearson(std::span<const double> x, std::span<const double> y) {
  detail::check_metric(x.size(), y.size(), 2);
  const auto constant = [](std::span<const double> values) {
    return std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; });
  };
  if (constant(x) || constant(y)) return std::numeric_limits<double>::quiet_NaN();
  // Centred and scaled by the largest value first, so that nothing overflows or vanishes on the way.
  const auto unit = [](std::span<const double> values) {
    double mean = 0, largest = 0;
    for (const double value : values) mean += value / static_cast<double>(values.size());
    std::vector<double> result;
    for (const double value : values) result.push_back(value - mean);
    for (const double value : result) largest = std::max(largest, std::abs(value));
    double squares = 0;
    for (double& value : result) {
      value /= largest;
      squares += value * value;
    }
    for (double& value : result) value /= std::sqrt(squares);
    return result;
  };
  const auto a = unit(x), b = unit(y);
  const double correlation = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  return std::isnan(correlation) ? correlation : std::clamp(correlation, -1.0, 1.0);
}

/// Ranks from 1; equal values share the mean of their ranks.
inline std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double shared = (static_cast<double>(begin + 1) + static_cast<double>(end)) / 2;
    for (std::size_t i = begin; i < end; ++i) result[order[i]] = shared;
    begin = end;
  }
  return result;
}

/// Spearman's correlation: Pearson's of the ranks; NaN where either list is constant or holds a NaN.
inline double spearman(std::span<const double> x, std::span<const double> y) {
  detail::check_metric(x.size(), y.size(), 2);
  const auto has_nan = [](std::span<const double> values) {
    return std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); });
  };
  if (has_nan(x) || has_nan(y)) return std::numeric_limits<double>::quiet_NaN();
  const auto x_ranks = ranks(x), y_ranks = ranks(y);
  return pearson({x_ranks.data(), x_ranks.size()}, {y_ranks.data(), y_ranks.size()});
}

}  // namespace cloze
