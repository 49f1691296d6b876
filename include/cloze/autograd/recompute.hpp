// Recomputation: part of a model that keeps nothing for its backward pass but its input.
#pragma once

#include <span>
#include <utility>

#include <cloze/autograd/elementwise.hpp>

namespace cloze {

/// f(x), recorded as one operation: f runs without a tape, and once more, with one, when its gradient is wanted. Costs
/// f's time again and saves what f would have kept (Chen et al.: "Training deep nets with sublinear memory cost",
/// 2016). `parameters`: the tensors besides x that gradients go to. f must compute the same each time: it holds the
/// keys of its dropouts, not a generator. Where nothing is recorded it is plain f(x). The same bits as f(x), as long as
/// nothing else uses x.
template <Scalar T, Device D, class F>
Tensor<T, D> recompute(const Tensor<T, D>& x, std::span<const Tensor<T, D>> parameters, F f) {
  if (!wants_grad(x) && std::ranges::none_of(parameters, [](const auto& p) { return wants_grad(p); })) return f(x);
  Tensor<T, D> y;
  {
    const NoGrad no_grad;
    y = f(x).detach();  // it may have been x itself
  }
  TapeInputs edges{x.shared_body()};
  for (const auto& parameter : parameters) edges.push_back(parameter.shared_body());
  record("recompute", *y.shared_body(), std::move(edges), [x, f = std::move(f)](TapeValue& value) {
    const detail::Recording on(true);
    auto input = x.detach();
    input.requires_grad(x.requires_grad());
    const Tensor<T, D> again = f(std::as_const(input));
    if (!again.requires_grad()) return;
    auto& gradient = static_cast<detail::TensorBody<T, D>&>(value).gradient;
    again.gradient() = std::exchange(gradient, {});
    run_backward(again.shared_body());
    if (!input.has_grad()) return;
    const T* dx = input.gradient().dense(input.size(), 1).data;  // whole, also where only rows were looked up
    if (x.has_grad()) {
      detail::pass_gradient(x, dx, Compute<T>(1));
    } else {
      x.gradient() = std::exchange(input.gradient(), {});
    }
  });
  return y;
}

}  // namespace cloze
