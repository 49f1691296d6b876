// The pass that follows a linear layer's GEMM: bias, then activation; and its backward.
#pragma once

#include <cloze/core/ids.hpp>
#include <cloze/kernels/activation.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// y = activation(x + bias), row by row. With no activation, y may be x and `x` is not changed otherwise;
/// with one, x + bias is written back to x: the backward pass needs it.
template <class T>
struct BiasActivationArgs {
  Index rows, columns;
  T* x;           // [rows, columns]
  const T* bias;  // [columns] or null
  Activation activation;
  T* y;  // [rows, columns]
};

/// dx = dy ∘ activation'(x); dbias = Σ_rows dx, summed in row order per block: the same bits for any thread count.
template <class T>
struct BiasActivationBackwardArgs {
  Index rows, columns;
  const T* x;   // [rows, columns] x + bias, as the forward pass left it; unused without activation
  const T* dy;  // [rows, columns]
  Activation activation;
  T* dx;  // [rows, columns] written; null where there is no activation (dx is dy)
  GradTarget<T> dbias;
};

}  // namespace cloze::kernels
