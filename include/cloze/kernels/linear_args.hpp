// A linear layer's forward pass: the product, the bias and the activation.
#pragma once

#include <cloze/core/ids.hpp>
#include <cloze/kernels/activation.hpp>

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

}  // namespace cloze::kernels
