// LossGuard: tells the steps that would spoil the weights from the others, and ends a run that has nothing else left.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/train/checkpoint_parts.hpp>

namespace cloze {

struct LossGuardOptions {
  double spike = 6;        // a loss is one beyond mean + spike * deviation of the losses before
  double norm_spike = 10;  // a gradient norm is one beyond norm_spike * their mean
  double memory = 0.99;    // share of the old mean that a step keeps
  Index settle = 100;      // steps at the start that may do anything finite
  Index stop_after = 20;   // refused steps in a row
};

enum class StepVerdict { good, not_finite, spike };

/// `if (guard(loss, norm, step) == StepVerdict::good) optimizer.step();` Means and deviation are exponential averages
/// over the good steps, corrected for their start.
class LossGuard {
 public:
  /// Errors: [cloze.loss_guard.1] an option out of range.
  explicit LossGuard(LossGuardOptions options = {}) : options_(options) {
    require(options.spike > 0 && options.norm_spike > 1 && options.memory > 0 && options.memory < 1 &&
                options.settle >= 1 && options.stop_after >= 1,
            "cloze.loss_guard.1",
            "spike {}, norm_spike {}, memory {}, settle {}, stop_after {}: wanted above 0, above 1, between 0 and 1, "
            "and at least 1 twice",
            options.spike, options.norm_spike, options.memory, options.settle, options.stop_after);
  }

  /// Errors: [cloze.loss_guard.2] as many refused steps in a row as stop_after says.
  StepVerdict operator()(double loss, double grad_norm, Index step) {
    const StepVerdict verdict = judge(loss, grad_norm);
    if (verdict == StepVerdict::good) {
      in_a_row_ = 0;
      learn(loss, grad_norm);
      return verdict;
    }
    ++refused_;
    ++in_a_row_;
    require(in_a_row_ < options_.stop_after, "cloze.loss_guard.2",
            "step {}: loss {}, gradient norm {}: {} steps in a row could not be used (mean loss before {:.4g}): a "
            "smaller learning rate, longer warm-up or cleaner data may help",
            step, loss, grad_norm, in_a_row_, mean());
    return verdict;
  }

  /// Steps refused in all.
  Index refused() const { return refused_; }
  /// Of the good losses; 0 before the first.
  double mean() const { return weight_ > 0 ? loss_ / weight_ : 0; }

  // For checkpoints.
  void save(CheckpointSink& sink) const {
    sink.number("refused", refused_);
    sink.number("in_a_row", in_a_row_);
    sink.number("good", good_);
    sink.real("weight", weight_);
    sink.real("loss", loss_);
    sink.real("square", square_);
    sink.real("norm", norm_);
  }
  std::function<void()> load(const CheckpointSource& source) {
    LossGuard saved(options_);
    saved.refused_ = source.number("refused");
    saved.in_a_row_ = source.number("in_a_row");
    saved.good_ = source.number("good");
    saved.weight_ = source.real("weight");
    saved.loss_ = source.real("loss");
    saved.square_ = source.real("square");
    saved.norm_ = source.real("norm");
    return [this, saved] { *this = saved; };
  }

 private:
  StepVerdict judge(double loss, double norm) const {
    if (!std::isfinite(loss) || !std::isfinite(norm)) return StepVerdict::not_finite;
    if (good_ < options_.settle) return StepVerdict::good;
    const double deviation = std::sqrt(std::max(0.0, square_ / weight_ - mean() * mean()));
    const bool high = loss > mean() + options_.spike * deviation && loss > 1.05 * mean();  // a flat curve has no spikes
    return high || norm > options_.norm_spike * norm_ / weight_ ? StepVerdict::spike : StepVerdict::good;
  }

  void learn(double loss, double norm) {
    const double keep = options_.memory;
    ++good_;
    weight_ = keep * weight_ + (1 - keep);
    loss_ = keep * loss_ + (1 - keep) * loss;
    square_ = keep * square_ + (1 - keep) * loss * loss;
    norm_ = keep * norm_ + (1 - keep) * norm;
  }

  LossGuardOptions options_;
  Index refused_ = 0, in_a_row_ = 0, good_ = 0;
  double weight_ = 0, loss_ = 0, square_ = 0, norm_ = 0;
};

}  // namespace cloze
