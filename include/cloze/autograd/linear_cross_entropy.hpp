// Cross entropy of a linear layer's output, without ever holding that output: for heads over a whole vocabulary.
#pragma once

#include <algorithm>
#include <span>
#include <utility>

#include <cloze/autograd/losses.hpp>
#include <cloze/kernels/linear.hpp>

namespace cloze {

namespace detail {

/// How many rows of logits are in memory at a time: about 4 M numbers, and enough rows for a GEMM to be worth its name.
inline Index loss_block_rows(Index rows, Index classes) {
  return std::min(rows, std::max<Index>(64, (Index{1} << 22) / std::max<Index>(1, classes)));
}

/// logits [rows, classes] = x Wᵀ + b.   x [rows, in], weight [classes, in], bias [classes] or null
template <Scalar T, Device D>
void block_logits(Index rows, Index in, Index classes, const T* x, const T* weight, const T* bias, T* logits) {
  kernels::linear_forward(D{}, kernels::LinearArgs<T>{.rows = rows,
                                                      .in = in,
                                                      .out = classes,
                                                      .x = x,
                                                      .weight = weight,
                                                      .bias = bias,
                                                      .activation = Activation::none,
                                                      .before = logits,
                                                      .y = logits});
}

}  // namespace detail

/// cross_entropy(linear(x, weight, bias), labels, options), in blocks of rows: memory for a few rows of logits instead
/// of [rows, classes] logits and as many gradients. Backward computes the logits again, which is one GEMM in four.
///   x [rows, in], weight [classes, in], bias [classes] or undefined, labels [rows]  ->  scalar, or [rows] for
/// Reduction::none.   Throws [cloze.linear.1] where shapes do not fit, and what cross_entropy throws.
template <Scalar T, Device D>
Tensor<T, D> linear_cross_entropy(const Tensor<T, D>& x, const Tensor<T, D>& weight, const Tensor<T, D>& bias,
                                  std::span<const Index> labels, const CrossEntropyOptions& options = {}) {
  require(x.rank() == 2 && weight.rank() == 2 && x.columns() == weight.columns(), "cloze.linear.1",
          "linear_cross_entropy: input {} does not fit weight {} (wanted [rows, in] and [classes, in])", x.shape(),
          weight.shape());
  require(!bias.defined() || (bias.rank() == 1 && bias.size() == weight.rows()), "cloze.linear.1",
          "linear_cross_entropy: bias {} does not fit weight {}", bias.defined() ? bias.shape() : Shape(),
          weight.shape());
  const Index rows = x.rows(), in = x.columns(), classes = weight.rows();
  const Index count = detail::count_labels("linear_cross_entropy", rows, classes, labels, options);
  using Kept = kernels::CrossEntropyRow<Compute<T>>;
  const auto smoothing = static_cast<Compute<T>>(options.label_smoothing);
  const Compute<T> factor =
      options.reduction == Reduction::mean ? Compute<T>(1) / static_cast<Compute<T>>(count) : Compute<T>(1);
  const Index step = options.reduction == Reduction::none ? 1 : 0;
  const Index block = detail::loss_block_rows(rows, classes);
  const T* b = bias.defined() ? bias.data() : nullptr;

  auto losses = Tensor<T, D>::empty({rows});
  const Storage<Kept, D> kept(rows);
  {
    auto logits = Tensor<T, D>::empty({block, classes});
    for (Index begin = 0; begin < rows; begin += block) {
      const Index size = std::min(block, rows - begin);
      detail::block_logits<T, D>(size, in, classes, x.data() + begin * in, weight.data(), b, logits.data());
      kernels::cross_entropy_forward(D{}, kernels::CrossEntropyArgs<T>{.rows = size,
                                                                       .columns = classes,
                                                                       .logits = logits.data(),
                                                                       .labels = labels.data() + begin,
                                                                       .targets = nullptr,
                                                                       .ignored = options.ignore_index,
                                                                       .smoothing = smoothing,
                                                                       .losses = losses.data() + begin,
                                                                       .kept = kept.data() + begin});
    }
  }
  auto y = detail::reduced(losses, options.reduction, factor);
  if (!wants_grad(x, weight, bias)) return y;
  record_op(
      "linear_cross_entropy", y,
      [=, ignored = options.ignore_index, labels = List<Index>(labels.begin(), labels.end())](OutputView<T> result) {
        GradTarget<T> dx = grad_target(x), dw = grad_target(weight), db = grad_target(bias);
        auto logits = Tensor<T, D>::empty({block, classes});
        for (Index begin = 0; begin < rows; begin += block) {
          const Index size = std::min(block, rows - begin);
          const T* part = x.data() + begin * in;
          detail::block_logits<T, D>(size, in, classes, part, weight.data(), bias.defined() ? bias.data() : nullptr,
                                     logits.data());
          kernels::cross_entropy_backward(
              D{}, kernels::CrossEntropyBackwardArgs<T>{.rows = size,
                                                        .columns = classes,
                                                        .logits = logits.data(),
                                                        .labels = labels.data() + begin,
                                                        .targets = nullptr,
                                                        .ignored = ignored,
                                                        .smoothing = smoothing,
                                                        .kept = kept.data() + begin,
                                                        .dy = result.grad + begin * step,
                                                        .step = step,
                                                        .scale = factor,
                                                        .dlogits = {logits.data(), false},  // in place
                                                        .dtargets = {}});
          if (dx.data)
            kernels::gemm(D{}, kernels::GemmArgs<T>{.m = size,
                                                    .n = in,
                                                    .k = classes,
                                                    .a = logits.data(),
                                                    .lda = classes,
                                                    .transpose_a = false,
                                                    .b = weight.data(),
                                                    .ldb = in,
                                                    .transpose_b = false,
                                                    .c = dx.data + begin * in,
                                                    .ldc = in,
                                                    .add = dx.add});
          kernels::linear_weight_backward(
              D{},
              kernels::LinearWeightGradArgs<T>{
                  .rows = size, .in = in, .out = classes, .x = part, .dy = logits.data(), .dweight = dw, .dbias = db});
          dw.add = db.add = true;  // the next block adds to what this one wrote
        }
      },
      x, weight, bias);
  return y;
}

}  // namespace cloze
