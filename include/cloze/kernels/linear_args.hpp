// A linear layer's forward pass (the product, the bias and the activation), and the gradients of what it learns.
#pragma once

#include <cloze/core/ids.hpp>
#include <cloze/kernels/bias_activation_args.hpp>
#include <cloze/kernels/gemm_args.hpp>

namespace cloze::kernels {

/// before = x Wᵀ + bias, y = activation(before).
template <class T>
struct LinearArgs {
  Index rows, in, out;
  const T* x;       // [rows, in]
  const T* weight;  // [out, in]
  const T* bias;    // [out] or null
  Activation activation;
  T* before;  // [rows, out]; may be y
  T* y;       // [rows, out]
};

/// The product of it: before = x weightᵀ.
template <class T>
GemmArgs<T> product_of(const LinearArgs<T>& a) {
  return {.m = a.rows,
          .n = a.out,
          .k = a.in,
          .a = a.x,
          .lda = a.in,
          .transpose_a = false,
          .b = a.weight,
          .ldb = a.in,
          .transpose_b = true,
          .c = a.before,
          .ldc = a.out,
          .add = false};
}

/// dweight = dyᵀ x, dbias = Σ_rows dy; dy is the gradient before the activation. Either may be unwanted.
template <class T>
struct LinearWeightGradArgs {
  Index rows, in, out;
  const T* x;             // [rows, in]
  const T* dy;            // [rows, out]
  GradTarget<T> dweight;  // [out, in]
  GradTarget<T> dbias;    // [out]
};

/// The two parts of it on their own.
template <class T>
GemmArgs<T> weight_gradient_of(const LinearWeightGradArgs<T>& a) {
  return {.m = a.out,
          .n = a.in,
          .k = a.rows,
          .a = a.dy,
          .lda = a.out,
          .transpose_a = true,
          .b = a.x,
          .ldb = a.in,
          .transpose_b = false,
          .c = a.dweight.data,
          .ldc = a.in,
          .add = a.dweight.add};
}
template <class T>
BiasActivationBackwardArgs<T> bias_gradient_of(const LinearWeightGradArgs<T>& a) {
  return {.rows = a.rows,
          .columns = a.out,
          .x = nullptr,
          .dy = a.dy,
          .activation = Activation::none,
          .dx = nullptr,
          .dbias = a.dbias};
}

}  // namespace cloze::kernels
