// How an operation is written: compute the output, then record how its gradient goes back.
#pragma once

#include <utility>

#include <cloze/tensor/tensor.hpp>

namespace cloze {

/// True where an operation on these tensors must be recorded. Undefined tensors (an absent bias) do not count.
template <class... Tensors>
bool wants_grad(const Tensors&... inputs) {
  return grad_enabled() && ((inputs.defined() && inputs.requires_grad()) || ...);
}

/// Room for the gradient of `input`, seen as [rows, columns]; null where it wants none. Call once per contribution:
/// the kernel must write or add all of it.
template <Scalar T, Device D>
GradTarget<T> grad_target(const Tensor<T, D>& input) {
  if (!input.defined() || !input.requires_grad()) return {};
  return input.gradient().dense(input.size(), 1);
}

/// What backward sees of an operation's result.
template <class T>
struct OutputView {
  const T* value;
  const T* grad;
};

/// Records `backward(OutputView<T>)` as the way back from `output` to `inputs`. Call only where wants_grad(inputs...).
/// `backward` must not capture `output`: it is handed its elements and gradient.
template <Scalar T, Device D, class Backward, class... Inputs>
void record_op(const char* name, Tensor<T, D>& output, Backward backward, const Inputs&... inputs) {
  TapeInputs edges;
  edges.reserve(sizeof...(inputs));
  (..., (inputs.defined() ? edges.push_back(inputs.shared_body()) : void()));
  record(name, *output.shared_body(), std::move(edges), [backward = std::move(backward)](TapeValue& value) {
    auto& body = static_cast<detail::TensorBody<T, D>&>(value);
    backward(OutputView<T>{body.storage.data() + body.offset, body.gradient.dense_data()});
  });
}

}  // namespace cloze
