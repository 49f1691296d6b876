// Linear layers and matrix products.
#pragma once

#include <cloze/autograd/op.hpp>
#include <cloze/kernels/linear.hpp>

namespace cloze {

struct LinearOptions {
  Activation activation = Activation::none;  // applied after the bias, in the same pass
  Index first_row = 0;                       // use rows [first_row, first_row + rows) of weight and bias only
  Index rows = -1;                           // -1: all from first_row on
};

/// y = activation(x Wᵀ + b).   x [..., in], weight [out, in], bias [out] or undefined  ->  [..., out]
/// Throws [cloze.linear.1] where shapes do not fit.
template <Scalar T, Device D>
Tensor<T, D> linear(const Tensor<T, D>& x, const Tensor<T, D>& weight, const Tensor<T, D>& bias,
                    LinearOptions options = {}) {
  require(weight.rank() == 2 && x.rank() >= 1 && x.columns() == weight.columns(), "cloze.linear.1",
          "linear: input {} does not fit weight {} (wanted [..., in] and [out, in])", x.shape(), weight.shape());
  require(!bias.defined() || (bias.rank() == 1 && bias.size() == weight.rows()), "cloze.linear.1",
          "linear: bias {} does not fit weight {}", bias.defined() ? bias.shape() : Shape(), weight.shape());
  const Index first = options.first_row;
  require(first >= 0 && first <= weight.rows() && options.rows <= weight.rows() - first, "cloze.linear.1",
          "linear: {} rows from {} of weight {}", options.rows, first, weight.shape());
  const Index out = options.rows < 0 ? weight.rows() - first : options.rows;
  const Index in = weight.columns(), rows = x.rows();
  const Activation activation = options.activation;

  auto y = Tensor<T, D>::empty(x.shape().with_columns(out));
  const bool recorded = wants_grad(x, weight, bias);
  // Only the backward pass needs the value before the activation: else y itself holds the product.
  auto before = recorded && activation != Activation::none ? Tensor<T, D>::empty(y.shape()) : y.detach();
  kernels::linear_forward(D{}, kernels::LinearArgs<T>{.rows = rows,
                                                      .in = in,
                                                      .out = out,
                                                      .x = x.data(),
                                                      .weight = weight.data() + first * in,
                                                      .bias = bias.defined() ? bias.data() + first : nullptr,
                                                      .activation = activation,
                                                      .before = before.data(),
                                                      .y = y.data()});
  if (!recorded) return y;

  if (activation == Activation::none) before = {};
  record_op(
      "linear", y,
      [x, weight, bias, before, activation, first, out, in, rows](OutputView<T> result) {
        const T* dy = result.grad;
        Tensor<T, D> before_grad;
        GradTarget<T> dbias{};
        if (bias.defined() && bias.requires_grad()) {
          dbias = out == bias.size() ? bias.gradient().dense(out, 1) : bias.gradient().slice(first, bias.size(), 1);
        }
        if (activation != Activation::none) {
          before_grad = Tensor<T, D>::empty(before.shape());
          kernels::bias_activation_backward(D{}, kernels::BiasActivationBackwardArgs<T>{.rows = rows,
                                                                                        .columns = out,
                                                                                        .x = before.data(),
                                                                                        .dy = dy,
                                                                                        .activation = activation,
                                                                                        .dx = before_grad.data(),
                                                                                        .dbias = dbias});
          dy = before_grad.data();
          dbias = {};
        }
        if (const auto dx = grad_target(x); dx.data)
          kernels::gemm(D{}, kernels::GemmArgs<T>{.m = rows,
                                                  .n = in,
                                                  .k = out,
                                                  .a = dy,
                                                  .lda = out,
                                                  .transpose_a = false,
                                                  .b = weight.data() + first * in,
                                                  .ldb = in,
                                                  .transpose_b = false,
                                                  .c = dx.data,
                                                  .ldc = in,
                                                  .add = dx.add});
        GradTarget<T> dweight{};
        if (weight.requires_grad())
          dweight = out == weight.rows() ? weight.gradient().dense(out, in)
                                         : weight.gradient().slice(first, weight.rows(), in);
        kernels::linear_weight_backward(
            D{}, kernels::LinearWeightGradArgs<T>{
                     .rows = rows, .in = in, .out = out, .x = x.data(), .dy = dy, .dweight = dweight, .dbias = dbias});
      },
      x, weight, bias);
  return y;
}

struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
};

/// op(a) op(b).   op(a) [m, k], op(b) [k, n]  ->  [m, n].  Throws [cloze.matmul.1] where shapes do not fit.
template <Scalar T, Device D>
Tensor<T, D> matmul(const Tensor<T, D>& a, const Tensor<T, D>& b, MatmulOptions options = {}) {
  const bool ta = options.transpose_a, tb = options.transpose_b;
  require(a.rank() == 2 && b.rank() == 2 && !(ta && tb), "cloze.matmul.1",
          "matmul: {}{} and {}{} (wanted two matrices, at most one of them transposed)", a.shape(), ta ? "ᵀ" : "",
          b.shape(), tb ? "ᵀ" : "");
  const Index m = a.dim(ta ? 1 : 0), k = a.dim(ta ? 0 : 1), n = b.dim(tb ? 0 : 1);
  require(b.dim(tb ? 1 : 0) == k, "cloze.matmul.1", "matmul: inner extents of {}{} and {}{} differ", a.shape(),
          ta ? "ᵀ" : "", b.shape(), tb ? "ᵀ" : "");
  auto c = Tensor<T, D>::empty({m, n});
  const auto product = [](Index m_, Index n_, Index k_, const T* x, Index ldx, bool tx, const T* y, Index ldy, bool ty,
                          T* z, bool add) {
    kernels::gemm(D{}, kernels::GemmArgs<T>{m_, n_, k_, x, ldx, tx, y, ldy, ty, z, n_, add});
  };
  product(m, n, k, a.data(), a.columns(), ta, b.data(), b.columns(), tb, c.data(), false);
  if (!wants_grad(a, b)) return c;
  record_op(
      "matmul", c,
      [a, b, ta, tb, m, n, k, product](OutputView<T> result) {
        const T* dc = result.grad;
        if (const auto da = grad_target(a); da.data) {
          if (ta) {  // da = op(b) dcᵀ, and a is stored [k, m]
            product(k, m, n, b.data(), b.columns(), tb, dc, n, true, da.data, da.add);
          } else {
            product(m, k, n, dc, n, false, b.data(), b.columns(), !tb, da.data, da.add);
          }
        }
        if (const auto db = grad_target(b); db.data) {
          if (tb) {  // b is stored [n, k]
            product(n, k, m, dc, n, true, a.data(), a.columns(), ta, db.data, db.add);
          } else {
            product(k, n, m, a.data(), a.columns(), !ta, dc, n, false, db.data, db.add);
          }
        }
      },
      a, b);
  return c;
}

}  // namespace cloze
