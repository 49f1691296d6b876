// Scores of a classifier's or a regressor's answers by the name of the metric.
#pragma once

#include <span>
#include <vector>

#include <cloze/data/example.hpp>
#include <cloze/data/task.hpp>
#include <cloze/train/evaluate.hpp>
#include <cloze/train/metrics.hpp>

namespace cloze {

/// The labels of examples. Throws [cloze.method.1] where one has none.
inline std::vector<LabelId> labels_of(std::span<const Example> examples) {
  std::vector<LabelId> labels;
  for (const Example& example : examples) {
    require(example.label.has_value(), "cloze.method.1", "{}: it has no label to compare with", describe(example));
    labels.push_back(*example.label);
  }
  return labels;
}

/// The regression targets of examples. Throws [cloze.method.7] where one has none.
inline std::vector<float> targets_of(std::span<const Example> examples) {
  std::vector<float> targets;
  for (const Example& example : examples) {
    require(example.score.has_value(), "cloze.method.7", "{}: it has no score to compare with", describe(example));
    targets.push_back(*example.score);
  }
  return targets;
}

/// One score of predictions by name; regression metrics are refused: [cloze.method.3].
inline double score(Metric metric, std::span<const LabelId> predictions, std::span<const LabelId> labels) {
  switch (metric) {
    case Metric::accuracy:
      return accuracy(predictions, labels);
    case Metric::f1:
      return f1_binary(predictions, labels);
    case Metric::matthews:
      return matthews(predictions, labels);
    case Metric::pearson:
    case Metric::spearman:
      break;
  }
  fail("cloze.method.3", "a correlation scores numbers, and these are labels: use accuracy, f1 or matthews");
}

/// One score of what predict() answered for examples: labels against labels, or, for the correlations, a regressor's
/// numbers against scores. NaN where a correlation is not defined. Errors: the metric's; [cloze.method.1],
/// [cloze.method.7] an example without its answer; [cloze.method.3] a correlation of label scores.
inline double score(Metric metric, const Evaluation& found, std::span<const Example> examples) {
  if (metric != Metric::pearson && metric != Metric::spearman) {
    const auto labels = labels_of(examples);
    return score(metric, {found.predictions.data(), found.predictions.size()}, {labels.data(), labels.size()});
  }
  require(found.labels <= 1, "cloze.method.3",
          "a correlation scores numbers, and these are scores of {} labels: use accuracy, f1 or matthews",
          found.labels);
  const auto targets = targets_of(examples);
  const std::vector<double> wanted(targets.begin(), targets.end());
  const std::span<const double> x(found.scores.data(), found.scores.size()), y(wanted.data(), wanted.size());
  return metric == Metric::pearson ? pearson(x, y) : spearman(x, y);
}

}  // namespace cloze
