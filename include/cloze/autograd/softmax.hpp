// Softmax, log softmax and logsumexp over the last extent.
#pragma once

#include <cloze/autograd/op.hpp>
#include <cloze/kernels/softmax.hpp>

namespace cloze {

// A row in which every number is -inf has no possible outcome: softmax gives zeros, log_softmax and logsumexp -inf, and
// its gradient is zero (PyTorch gives NaN). NaN and +inf give NaN.

namespace detail {

template <Scalar T, Device D>
Tensor<T, D> softmax_of(const char* op, const Tensor<T, D>& x, bool log) {
  require(x.rank() >= 1, "cloze.softmax.1", "{}: wanted [..., n], found a scalar", op);
  auto y = Tensor<T, D>::empty(x.shape());
  kernels::softmax_forward(D{}, kernels::SoftmaxArgs<T>{x.rows(), x.columns(), x.data(), log, y.data()});
  if (!wants_grad(x)) return y;
  record_op(
      op, y,
      [x, log](OutputView<T> result) {
        if (const auto dx = grad_target(x); dx.data)
          kernels::softmax_backward(
              D{}, kernels::SoftmaxBackwardArgs<T>{x.rows(), x.columns(), result.value, result.grad, log, dx});
      },
      x);
  return y;
}

}  // namespace detail

/// exp(x) / Σ exp(x) over the last extent.   x [..., n]  ->  [..., n].  Throws [cloze.softmax.1] where x is a scalar.
template <Scalar T, Device D>
Tensor<T, D> softmax(const Tensor<T, D>& x) {
  return detail::softmax_of("softmax", x, false);
}

/// x - log Σ exp(x) over the last extent.   x [..., n]  ->  [..., n].  Throws [cloze.softmax.1] where x is a scalar.
template <Scalar T, Device D>
Tensor<T, D> log_softmax(const Tensor<T, D>& x) {
  return detail::softmax_of("log_softmax", x, true);
}

/// log Σ exp(x) over the last extent.   x [..., n]  ->  [rows].  Throws [cloze.softmax.1] where x is a scalar.
template <Scalar T, Device D>
Tensor<T, D> logsumexp(const Tensor<T, D>& x) {
  require(x.rank() >= 1, "cloze.softmax.1", "logsumexp: wanted [..., n], found a scalar");
  auto y = Tensor<T, D>::empty({x.rows()});
  kernels::logsumexp_forward(D{}, kernels::LogSumExpArgs<T>{x.rows(), x.columns(), x.data(), y.data()});
  if (!wants_grad(x)) return y;
  record_op(
      "logsumexp", y,
      [x](OutputView<T> result) {
        if (const auto dx = grad_target(x); dx.data)
          kernels::logsumexp_backward(
              D{}, kernels::LogSumExpBackwardArgs<T>{x.rows(), x.columns(), x.data(), result.value, result.grad, dx});
      },
      x);
  return y;
}

}  // namespace cloze
