// Sums, differences, products and activations of tensors.
#pragma once

#include <type_traits>

#include <cloze/autograd/op.hpp>
#include <cloze/kernels/bias_activation.hpp>
#include <cloze/kernels/elementwise.hpp>

namespace cloze {

namespace detail {

/// The gradient of `input` receives factor · dy.
template <Scalar T, Device D>
void pass_gradient(const Tensor<T, D>& input, const T* dy, Compute<T> factor) {
  if (const auto dx = grad_target(input); dx.data)
    kernels::combine(D{}, kernels::CombineArgs<T>{input.size(), factor, dy, Compute<T>(0), nullptr, Compute<T>(0), dx});
}

template <Scalar T, Device D>
void require_same_shape(const char* op, const Tensor<T, D>& a, const Tensor<T, D>& b) {
  require(a.shape() == b.shape(), "cloze.elementwise.1", "{}: shapes {} and {} differ; they must be the same", op,
          a.shape(), b.shape());
}

/// a + factor · b.
template <Scalar T, Device D>
Tensor<T, D> sum_of(const char* op, const Tensor<T, D>& a, const Tensor<T, D>& b, Compute<T> factor) {
  require_same_shape(op, a, b);
  auto y = Tensor<T, D>::empty(a.shape());
  kernels::combine(D{}, kernels::CombineArgs<T>{
                            a.size(), Compute<T>(1), a.data(), factor, b.data(), Compute<T>(0), {y.data(), false}});
  if (!wants_grad(a, b)) return y;
  record_op(
      op, y,
      [a, b, factor](OutputView<T> result) {
        pass_gradient(a, result.grad, Compute<T>(1));
        pass_gradient(b, result.grad, factor);
      },
      a, b);
  return y;
}

/// factor · a + shift.
template <Scalar T, Device D>
Tensor<T, D> affine(const char* op, const Tensor<T, D>& a, Compute<T> factor, Compute<T> shift) {
  auto y = Tensor<T, D>::empty(a.shape());
  kernels::combine(
      D{}, kernels::CombineArgs<T>{a.size(), factor, a.data(), Compute<T>(0), nullptr, shift, {y.data(), false}});
  if (!wants_grad(a)) return y;
  record_op(
      op, y, [a, factor](OutputView<T> result) { pass_gradient(a, result.grad, factor); }, a);
  return y;
}

}  // namespace detail

/// a + b of one shape.  Throws [cloze.elementwise.1] where the shapes differ: nothing is broadcast, see add_rows().
template <Scalar T, Device D>
Tensor<T, D> add(const Tensor<T, D>& a, const Tensor<T, D>& b) {
  return detail::sum_of("add", a, b, Compute<T>(1));
}

/// a - b of one shape.  Throws [cloze.elementwise.1] where the shapes differ.
template <Scalar T, Device D>
Tensor<T, D> sub(const Tensor<T, D>& a, const Tensor<T, D>& b) {
  return detail::sum_of("sub", a, b, Compute<T>(-1));
}

/// a ∘ b, element by element, of one shape.  Throws [cloze.elementwise.1] where the shapes differ.
template <Scalar T, Device D>
Tensor<T, D> mul(const Tensor<T, D>& a, const Tensor<T, D>& b) {
  detail::require_same_shape("mul", a, b);
  auto y = Tensor<T, D>::empty(a.shape());
  kernels::multiply(D{}, kernels::MultiplyArgs<T>{a.size(), a.data(), b.data(), {y.data(), false}});
  if (!wants_grad(a, b)) return y;
  record_op(
      "mul", y,
      [a, b](OutputView<T> result) {
        if (const auto da = grad_target(a); da.data)
          kernels::multiply(D{}, kernels::MultiplyArgs<T>{a.size(), result.grad, b.data(), da});
        if (const auto db = grad_target(b); db.data)
          kernels::multiply(D{}, kernels::MultiplyArgs<T>{b.size(), result.grad, a.data(), db});
      },
      a, b);
  return y;
}

/// factor · a.
template <Scalar T, Device D>
Tensor<T, D> scale(const Tensor<T, D>& a, std::type_identity_t<Compute<T>> factor) {
  return detail::affine("scale", a, factor, Compute<T>(0));
}

/// x + row for every row of x.   x [..., n], row [n]  ->  [..., n].  Throws [cloze.elementwise.2] where they do not
/// fit.
template <Scalar T, Device D>
Tensor<T, D> add_rows(const Tensor<T, D>& x, const Tensor<T, D>& row) {
  require(x.rank() >= 1 && row.rank() == 1 && row.size() == x.columns(), "cloze.elementwise.2",
          "add_rows: row {} does not fit {} (wanted [..., n] and [n])", row.shape(), x.shape());
  auto y = Tensor<T, D>::empty(x.shape());
  Tensor<T, D> in = x;
  kernels::bias_activation_forward(
      D{}, kernels::BiasActivationArgs<T>{x.rows(), x.columns(), in.data(), row.data(), Activation::none, y.data()});
  if (!wants_grad(x, row)) return y;
  record_op(
      "add_rows", y,
      [x, row](OutputView<T> result) {
        detail::pass_gradient(x, result.grad, Compute<T>(1));
        if (const auto drow = grad_target(row); drow.data)
          kernels::bias_activation_backward(
              D{}, kernels::BiasActivationBackwardArgs<T>{x.rows(), x.columns(), nullptr, result.grad, Activation::none,
                                                          nullptr, drow});
      },
      x, row);
  return y;
}

/// An activation function, element by element.
template <Scalar T, Device D>
Tensor<T, D> activate(const Tensor<T, D>& x, Activation activation) {
  auto y = Tensor<T, D>::empty(x.shape());
  kernels::activate_forward(D{}, kernels::ActivateArgs<T>{x.size(), x.data(), activation, y.data()});
  if (!wants_grad(x)) return y;
  record_op(
      "activate", y,
      [x, activation](OutputView<T> result) {
        if (const auto dx = grad_target(x); dx.data)
          kernels::activate_backward(D{},
                                     kernels::ActivateBackwardArgs<T>{x.size(), x.data(), result.grad, activation, dx});
      },
      x);
  return y;
}

template <Scalar T, Device D>
Tensor<T, D> gelu(const Tensor<T, D>& x) {
  return activate(x, Activation::gelu);
}
template <Scalar T, Device D>
Tensor<T, D> gelu_tanh(const Tensor<T, D>& x) {
  return activate(x, Activation::gelu_tanh);
}
template <Scalar T, Device D>
Tensor<T, D> relu(const Tensor<T, D>& x) {
  return activate(x, Activation::relu);
}
template <Scalar T, Device D>
Tensor<T, D> silu(const Tensor<T, D>& x) {
  return activate(x, Activation::silu);
}
template <Scalar T, Device D>
Tensor<T, D> tanh(const Tensor<T, D>& x) {
  return activate(x, Activation::tanh);
}

// Operators: tensor with tensor of the same shape, or with a number.

template <Scalar T, Device D>
Tensor<T, D> operator+(const Tensor<T, D>& a, const Tensor<T, D>& b) {
  return add(a, b);
}
template <Scalar T, Device D>
Tensor<T, D> operator-(const Tensor<T, D>& a, const Tensor<T, D>& b) {
  return sub(a, b);
}
template <Scalar T, Device D>
Tensor<T, D> operator*(const Tensor<T, D>& a, const Tensor<T, D>& b) {
  return mul(a, b);
}
template <Scalar T, Device D>
Tensor<T, D> operator*(const Tensor<T, D>& a, std::type_identity_t<Compute<T>> factor) {
  return scale(a, factor);
}
template <Scalar T, Device D>
Tensor<T, D> operator*(std::type_identity_t<Compute<T>> factor, const Tensor<T, D>& a) {
  return scale(a, factor);
}
template <Scalar T, Device D>
Tensor<T, D> operator+(const Tensor<T, D>& a, std::type_identity_t<Compute<T>> shift) {
  return detail::affine("add", a, Compute<T>(1), shift);
}
template <Scalar T, Device D>
Tensor<T, D> operator+(std::type_identity_t<Compute<T>> shift, const Tensor<T, D>& a) {
  return a + shift;
}
template <Scalar T, Device D>
Tensor<T, D> operator-(const Tensor<T, D>& a, std::type_identity_t<Compute<T>> shift) {
  return a + -shift;
}
template <Scalar T, Device D>
Tensor<T, D> operator-(std::type_identity_t<Compute<T>> from, const Tensor<T, D>& a) {
  return detail::affine("sub", a, Compute<T>(-1), from);
}
template <Scalar T, Device D>
Tensor<T, D> operator-(const Tensor<T, D>& a) {
  return scale(a, Compute<T>(-1));
}

}  // namespace cloze
