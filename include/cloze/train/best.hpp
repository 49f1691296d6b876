// BestParameters: keeps a copy of the parameters at their best dev score.
#pragma once

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cloze/nn/parameter.hpp>
#include <cloze/train/checkpoint_parts.hpp>

namespace cloze {

/// Few-shot runs are scored on a small dev set, where ties are common: only a strictly greater score replaces the copy,
/// so the earliest of equals wins, as in LM-BFF.
template <Scalar T, Device D = Cpu>
class BestParameters {
 public:
  /// Watches the parameters that want gradients; frozen ones cannot change.
  explicit BestParameters(const ParameterList<T, D>& parameters) : parameters_(parameters.trainable()) {}

  /// Copies the parameters where `score` is above every one before (NaN never is); whether it was.
  bool update(double score) {
    if (std::isnan(score) || (score_ && !(score > *score_))) return false;
    score_ = score;
    copies_.resize(parameters_.size());
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      const auto& tensor = std::as_const(parameters_)[i].tensor;
      if (!copies_[i].defined()) {
        copies_[i] = tensor.clone();
      } else {
        copy_elements<D, D>(tensor.data(), copies_[i].data(), tensor.size());
      }
    }
    return true;
  }

  /// The best score; nothing before the first update.
  std::optional<double> score() const { return score_; }

  /// Puts the best parameters back. Errors: [cloze.best.1] no score was ever a number.
  void restore() {
    require(score_.has_value(), "cloze.best.1", "restore() before any update() with a score that is a number");
    for (std::size_t i = 0; i < copies_.size(); ++i)
      copy_elements<D, D>(std::as_const(copies_)[i].data(), parameters_[i].tensor.data(), copies_[i].size());
  }

  // For checkpoints.
  void save(CheckpointSink& sink) const {
    sink.number("defined", score_ ? 1 : 0);
    if (!score_) return;
    sink.real("score", *score_);
    for (std::size_t i = 0; i < copies_.size(); ++i) sink.tensor(parameters_[i].name, copies_[i]);
  }
  std::function<void()> load(const CheckpointSource& source) {
    const Index defined = source.number("defined");
    source.require_that(defined == 0 || defined == 1, "defined", "wanted 0 or 1", std::to_string(defined));
    std::optional<double> score;
    std::vector<Tensor<T, D>> copies;
    if (defined == 1) {
      score = source.real("score");
      for (const auto& parameter : parameters_)
        copies.push_back(source.template tensor<T, D>(parameter.name, parameter.tensor.shape()));
    }
    return [this, score, copies = std::move(copies)]() mutable {
      score_ = score;
      copies_ = std::move(copies);
    };
  }

 private:
  ParameterList<T, D> parameters_;
  std::vector<Tensor<T, D>> copies_;
  std::optional<double> score_;
};

}  // namespace cloze
