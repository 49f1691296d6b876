// Sums, products and activations of whole tensors.
#pragma once

#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/kernels/activation.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// y = a·x + b·z + shift, written or added. Also every backward pass that only passes gradients on.
template <class T>
struct CombineArgs {
  Index size;
  Compute<T> a;
  const T* x;  // [size]
  Compute<T> b;
  const T* z;  // [size] or null
  Compute<T> shift;
  GradTarget<T> y;  // [size]
};

/// y = x ∘ z, written or added.
template <class T>
struct MultiplyArgs {
  Index size;
  const T* x;       // [size]
  const T* z;       // [size]
  GradTarget<T> y;  // [size]
};

/// y = activation(x).
template <class T>
struct ActivateArgs {
  Index size;
  const T* x;  // [size]
  Activation activation;
  T* y;  // [size]
};

/// dx = dy ∘ activation'(x), written or added.
template <class T>
struct ActivateBackwardArgs {
  Index size;
  const T* x;   // [size]
  const T* dy;  // [size]
  Activation activation;
  GradTarget<T> dx;  // [size]
};

}  // namespace cloze::kernels
