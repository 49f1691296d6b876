// Losses, as PyTorch defines them: cross entropy, Kullback-Leibler divergence, binary cross entropy, squared error.
#pragma once

#include <span>
#include <utility>

#include <cloze/autograd/op.hpp>
#include <cloze/kernels/cross_entropy.hpp>
#include <cloze/kernels/pointwise_loss.hpp>
#include <cloze/kernels/reduce.hpp>

namespace cloze {

/// mean and sum give a scalar; none one loss per row (cross entropy) or element.
enum class Reduction { mean, sum, none };

struct CrossEntropyOptions {
  Index ignore_index = -100;   // rows with this label count for nothing; only with class indices
  double label_smoothing = 0;  // in [0, 1]: this much of each target is spread evenly over the classes
  Reduction reduction = Reduction::mean;
};

namespace detail {

/// `count`: the rows that are not ignored.
inline void check_loss_options(const char* op, Index rows, Index count, const CrossEntropyOptions& options) {
  require(options.label_smoothing >= 0 && options.label_smoothing <= 1, "cloze.losses.3",
          "{}: label_smoothing is {}, wanted 0 to 1", op, options.label_smoothing);
  require(options.reduction != Reduction::mean || count > 0, "cloze.losses.4", "{}: a mean over no rows: {} rows, {}",
          op, rows, rows == 0 ? "an empty batch" : "every label is ignore_index");
}

/// Checks labels and options; what a mean divides by: the rows that are not ignored.
inline Index count_labels(const char* op, Index rows, Index classes, std::span<const Index> labels,
                          const CrossEntropyOptions& options) {
  require(rows == static_cast<Index>(labels.size()), "cloze.losses.1", "{}: {} rows and {} labels", op, rows,
          labels.size());
  Index count = 0;
  for (std::size_t r = 0; r < labels.size(); ++r) {
    if (labels[r] == options.ignore_index) continue;
    require(labels[r] >= 0 && labels[r] < classes, "cloze.losses.2",
            "{}: row {} has label {}, wanted 0 to {} or ignore_index {}", op, r, labels[r], classes - 1,
            options.ignore_index);
    ++count;
  }
  check_loss_options(op, rows, count, options);
  return count;
}

/// Losses [rows] that were computed into `losses`, reduced with `factor`; `losses` itself where nothing is reduced.
template <Scalar T, Device D>
Tensor<T, D> reduced(const Tensor<T, D>& losses, Reduction reduction, Compute<T> factor) {
  if (reduction == Reduction::none) return losses;
  auto y = Tensor<T, D>::empty({});
  kernels::sum_all(D{}, kernels::SumArgs<T>{losses.size(), losses.data(), factor, y.data()});
  return y;
}

/// Of labels (targets undefined) or targets (labels empty), checked. `count` is what a mean divides by.
template <Scalar T, Device D>
Tensor<T, D> cross_entropy_of(const Tensor<T, D>& logits, List<Index> labels, const Tensor<T, D>& targets, Index count,
                              const CrossEntropyOptions& options) {
  using Kept = kernels::CrossEntropyRow<Compute<T>>;
  const Index rows = logits.rows(), columns = logits.columns();
  const auto smoothing = static_cast<Compute<T>>(options.label_smoothing);
  const Compute<T> factor =
      options.reduction == Reduction::mean ? Compute<T>(1) / static_cast<Compute<T>>(count) : Compute<T>(1);
  const Index step = options.reduction == Reduction::none ? 1 : 0;

  auto losses = Tensor<T, D>::empty({rows});
  const Storage<Kept, D> kept(rows);
  kernels::cross_entropy_forward(D{},
                                 kernels::CrossEntropyArgs<T>{.rows = rows,
                                                              .columns = columns,
                                                              .logits = logits.data(),
                                                              .labels = targets.defined() ? nullptr : labels.data(),
                                                              .targets = targets.defined() ? targets.data() : nullptr,
                                                              .ignored = options.ignore_index,
                                                              .smoothing = smoothing,
                                                              .losses = losses.data(),
                                                              .kept = kept.data()});
  auto y = reduced(losses, options.reduction, factor);
  if (!wants_grad(logits, targets)) return y;
  record_op(
      "cross_entropy", y,
      [=, ignored = options.ignore_index, labels = std::move(labels)](OutputView<T> result) {
        kernels::cross_entropy_backward(
            D{}, kernels::CrossEntropyBackwardArgs<T>{.rows = rows,
                                                      .columns = columns,
                                                      .logits = logits.data(),
                                                      .labels = targets.defined() ? nullptr : labels.data(),
                                                      .targets = targets.defined() ? targets.data() : nullptr,
                                                      .ignored = ignored,
                                                      .smoothing = smoothing,
                                                      .kept = kept.data(),
                                                      .dy = result.grad,
                                                      .step = step,
                                                      .scale = factor,
                                                      .dlogits = grad_target(logits),
                                                      .dtargets = grad_target(targets)});
      },
      logits, targets);
  return y;
}

/// Of two tensors of one shape; `count` is what the sum is divided by where it is a mean.
template <Scalar T, Device D>
Tensor<T, D> pointwise_loss(const char* op, kernels::PointwiseLoss kind, const Tensor<T, D>& x, const Tensor<T, D>& t,
                            Reduction reduction, Index count) {
  require(x.shape() == t.shape(), "cloze.losses.5", "{}: input {} and target {} differ in shape", op, x.shape(),
          t.shape());
  require(reduction != Reduction::mean || count > 0, "cloze.losses.4", "{}: a mean over the elements of shape {}", op,
          x.shape());
  const bool each = reduction == Reduction::none;
  const Compute<T> factor =
      reduction == Reduction::mean ? Compute<T>(1) / static_cast<Compute<T>>(count) : Compute<T>(1);
  auto losses = Tensor<T, D>::empty(each ? x.shape() : Shape{x.rows()});
  kernels::pointwise_loss_forward(D{}, kernels::PointwiseLossArgs<T>{.kind = kind,
                                                                     .rows = x.rows(),
                                                                     .columns = x.columns(),
                                                                     .x = x.data(),
                                                                     .t = t.data(),
                                                                     .each = each,
                                                                     .y = losses.data()});
  auto y = reduced(losses, reduction, factor);
  if (!wants_grad(x, t)) return y;
  record_op(
      op, y,
      [x, t, kind, each, factor](OutputView<T> result) {
        if (x.size() == 0) return;
        kernels::pointwise_loss_backward(D{}, kernels::PointwiseLossBackwardArgs<T>{.kind = kind,
                                                                                    .size = x.size(),
                                                                                    .x = x.data(),
                                                                                    .t = t.data(),
                                                                                    .dy = result.grad,
                                                                                    .step = each ? 1 : 0,
                                                                                    .scale = factor,
                                                                                    .dx = grad_target(x),
                                                                                    .dt = grad_target(t)});
      },
      x, t);
  return y;
}

}  // namespace detail

/// Cross entropy against class indices, as torch.nn.functional.cross_entropy: the mean is over the rows that are not
/// ignored.   logits [n, classes], labels [n]  ->  scalar, or [n] for Reduction::none
/// Where every logit of a row is -inf its loss is +inf and its gradient zero. Backward is one pass.
/// Throws [cloze.losses.1] where shapes do not fit, [cloze.losses.2] for a label out of range, [cloze.losses.3] for a
/// smoothing outside [0, 1], [cloze.losses.4] for the mean of no rows.
template <Scalar T, Device D>
Tensor<T, D> cross_entropy(const Tensor<T, D>& logits, std::span<const Index> labels,
                           const CrossEntropyOptions& options = {}) {
  require(logits.rank() == 2, "cloze.losses.1", "cross_entropy: logits {} (wanted [n, classes])", logits.shape());
  const Index count = detail::count_labels("cross_entropy", logits.rows(), logits.columns(), labels, options);
  return detail::cross_entropy_of(logits, {labels.begin(), labels.end()}, Tensor<T, D>(), count, options);
}

/// Cross entropy against the labels of a task.
template <Scalar T, Device D>
Tensor<T, D> cross_entropy(const Tensor<T, D>& logits, std::span<const LabelId> labels,
                           const CrossEntropyOptions& options = {}) {
  List<Index> indices(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) indices[i] = value(labels[i]);
  return cross_entropy(logits, std::span<const Index>(indices), options);
}

/// Cross entropy against distributions: -Σ t log p, the mean over all rows; ignore_index plays no part. Gradients reach
/// the targets too.   logits [n, classes], targets [n, classes]  ->  scalar, or [n] for Reduction::none
/// A target of zero contributes zero even where p is zero (PyTorch gives NaN there).
/// Throws [cloze.losses.1], [cloze.losses.3], [cloze.losses.4] as above.
template <Scalar T, Device D>
Tensor<T, D> cross_entropy(const Tensor<T, D>& logits, const Tensor<T, D>& targets,
                           const CrossEntropyOptions& options = {}) {
  require(logits.rank() == 2 && logits.shape() == targets.shape(), "cloze.losses.1",
          "cross_entropy: logits {} and targets {} (wanted [n, classes] twice)", logits.shape(), targets.shape());
  detail::check_loss_options("cross_entropy", logits.rows(), logits.rows(), options);
  return detail::cross_entropy_of(logits, {}, targets, logits.rows(), options);
}

/// What a divergence is divided by. batchmean: the rows, which gives the mean divergence of the distributions;
/// mean: the elements, which is PyTorch's default and not a divergence.
enum class KlReduction { batchmean, mean, sum, none };

/// Kullback-Leibler divergence Σ t (log t - x) of distributions t from log probabilities x; a target of zero
/// contributes zero, also to both gradients.   log_probs, targets [..., n]  ->  scalar, or [..., n] for
/// KlReduction::none Throws [cloze.losses.5] where shapes differ, [cloze.losses.4] for the mean of nothing.
template <Scalar T, Device D>
Tensor<T, D> kl_div(const Tensor<T, D>& log_probs, const Tensor<T, D>& targets,
                    KlReduction reduction = KlReduction::batchmean) {
  const bool rows = reduction == KlReduction::batchmean;
  const Reduction plain = reduction == KlReduction::sum    ? Reduction::sum
                          : reduction == KlReduction::none ? Reduction::none
                                                           : Reduction::mean;
  return detail::pointwise_loss("kl_div", kernels::PointwiseLoss::divergence, log_probs, targets, plain,
                                rows ? log_probs.rows() : log_probs.size());
}

/// Binary cross entropy of logits x against probabilities t: -t log σ(x) - (1 - t) log(1 - σ(x)), without overflow.
///   logits, targets of one shape  ->  scalar, or that shape for Reduction::none.  Errors as kl_div().
template <Scalar T, Device D>
Tensor<T, D> bce_with_logits(const Tensor<T, D>& logits, const Tensor<T, D>& targets,
                             Reduction reduction = Reduction::mean) {
  return detail::pointwise_loss("bce_with_logits", kernels::PointwiseLoss::binary, logits, targets, reduction,
                                logits.size());
}

/// Squared error (prediction - target)².   Two tensors of one shape  ->  scalar, or that shape for Reduction::none.
/// Errors as kl_div().
template <Scalar T, Device D>
Tensor<T, D> mse(const Tensor<T, D>& prediction, const Tensor<T, D>& target, Reduction reduction = Reduction::mean) {
  return detail::pointwise_loss("mse", kernels::PointwiseLoss::squared, prediction, target, reduction,
                                prediction.size());
}

}  // namespace cloze
