// LayerNorm, alone and fused with the residual connection and dropout before it.
#pragma once

#include <cloze/autograd/op.hpp>
#include <cloze/autograd/row_ids.hpp>
#include <cloze/kernels/layer_norm.hpp>

namespace cloze {

template <class T>
struct ResidualNormOptions {
  Compute<T> eps = Compute<T>(1e-5);  // added to the variance
  Dropout dropout = {};
  Ids row_ids = {};  // [rows] which row of the whole each row is, for dropout; empty: rows count from 0
};

namespace detail {

template <Scalar T, Device D>
Tensor<T, D> normalise(const char* name, const Tensor<T, D>& x, const Tensor<T, D>& residual, const Tensor<T, D>& gamma,
                       const Tensor<T, D>& beta, const ResidualNormOptions<T>& options) {
  require(x.rank() >= 1 && x.columns() > 0, "cloze.layer_norm.1", "{}: input {} has no last extent to normalise over",
          name, x.shape());
  require(!residual.defined() || residual.shape() == x.shape(), "cloze.layer_norm.1",
          "{}: residual {} does not have the input's shape {}", name, residual.defined() ? residual.shape() : Shape(),
          x.shape());
  const auto check = [&](const Tensor<T, D>& weight, const char* which) {
    require(!weight.defined() || (weight.rank() == 1 && weight.size() == x.columns()), "cloze.layer_norm.1",
            "{}: {} {} does not fit input {} (wanted [{}])", name, which, weight.defined() ? weight.shape() : Shape(),
            x.shape(), x.columns());
  };
  check(gamma, "gamma");
  check(beta, "beta");
  require(options.eps >= 0, "cloze.layer_norm.2", "{}: eps is {}, wanted 0 or more", name, options.eps);
  const DropoutRule rule = dropout_rule(options.dropout);
  auto ids = checked_row_ids(name, options.row_ids, x.rows());

  const Index rows = x.rows(), columns = x.columns();
  auto y = Tensor<T, D>::empty(x.shape());
  const bool recorded = wants_grad(x, residual, gamma, beta), sums = residual.defined() || rule.active();
  // The sum is needed again by the backward pass only; else it may live where the result will.
  const auto z = !sums ? x.detach() : recorded ? Tensor<T, D>::empty(x.shape()) : y.detach();
  const auto moments = Tensor<Compute<T>, D>::empty({2, recorded ? rows : 0});  // mean, rstd
  const auto at = [](const Tensor<T, D>& tensor) { return tensor.defined() ? tensor.data() : nullptr; };
  auto* const mean = recorded ? const_cast<Compute<T>*>(moments.data()) : nullptr;
  auto* const rstd = recorded ? mean + rows : nullptr;
  kernels::layer_norm_forward(D{}, kernels::LayerNormArgs<T>{.rows = rows,
                                                             .columns = columns,
                                                             .x = x.data(),
                                                             .residual = at(residual),
                                                             .gamma = at(gamma),
                                                             .beta = at(beta),
                                                             .eps = options.eps,
                                                             .dropout = rule,
                                                             .row_ids = data_of(ids),
                                                             .z = sums ? const_cast<T*>(z.data()) : nullptr,
                                                             .y = y.data(),
                                                             .mean = mean,
                                                             .rstd = rstd});
  if (!recorded) return y;
  record_op(
      name, y,
      [x, residual, gamma, beta, z, moments, rule, ids = std::move(ids), rows, columns](OutputView<T> result) {
        kernels::LayerNormBackwardArgs<T> args{};
        args.rows = rows;
        args.columns = columns;
        args.z = z.data();
        args.mean = moments.data();
        args.rstd = moments.data() + rows;
        args.gamma = gamma.defined() ? gamma.data() : nullptr;
        args.dy = result.grad;
        args.dropout = rule;
        args.row_ids = data_of(ids);
        args.dx = grad_target(x);
        args.dresidual = grad_target(residual);  // after dx: where they are one tensor, this one adds
        args.dgamma = grad_target(gamma);
        args.dbeta = grad_target(beta);
        kernels::layer_norm_backward(D{}, args);
      },
      x, residual, gamma, beta);
  return y;
}

}  // namespace detail

/// y = (x - mean) / √(variance + eps) ∘ gamma + beta over the last extent (Ba, Kiros, Hinton, arXiv 1607.06450).
/// x [..., n], gamma [n] or undefined (ones), beta [n] or undefined (zeros)  ->  [..., n]
/// Throws [cloze.layer_norm.1] where shapes do not fit, [cloze.layer_norm.2] where eps is negative.
template <Scalar T, Device D>
Tensor<T, D> layer_norm(const Tensor<T, D>& x, const Tensor<T, D>& gamma, const Tensor<T, D>& beta, Compute<T> eps) {
  return detail::normalise("layer_norm", x, Tensor<T, D>(), gamma, beta, ResidualNormOptions<T>{.eps = eps});
}

/// y = LayerNorm(residual + dropout(x)) in one pass, with one fused backward pass that draws the dropout mask again.
/// x, residual [..., n] (residual may be undefined), gamma, beta as in layer_norm  ->  [..., n]
/// Throws as layer_norm does; [cloze.dropout.1] for p outside [0, 1), [cloze.dropout.2] where row_ids do not fit.
template <Scalar T, Device D>
Tensor<T, D> residual_layer_norm(const Tensor<T, D>& x, const Tensor<T, D>& residual, const Tensor<T, D>& gamma,
                                 const Tensor<T, D>& beta, const ResidualNormOptions<T>& options = {}) {
  return detail::normalise("residual_layer_norm", x, residual, gamma, beta, options);
}

}  // namespace cloze
