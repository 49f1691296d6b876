// Sums, products and activations on Reference.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/elementwise_args.hpp>
#include <cloze/kernels/ref/put.hpp>

namespace cloze::kernels {

template <class T>
void combine(Reference, const CombineArgs<T>& p) {
  for (Index i = 0; i < p.size; ++i) put(p.y, i, p.a * p.x[i] + (p.z ? p.b * p.z[i] : T(0)) + p.shift);
}

template <class T>
void multiply(Reference, const MultiplyArgs<T>& p) {
  for (Index i = 0; i < p.size; ++i) put(p.y, i, p.x[i] * p.z[i]);
}

template <class T>
void activate_forward(Reference, const ActivateArgs<T>& p) {
  for (Index i = 0; i < p.size; ++i) p.y[i] = activate(p.activation, p.x[i]);
}

template <class T>
void activate_backward(Reference, const ActivateBackwardArgs<T>& p) {
  for (Index i = 0; i < p.size; ++i) put(p.dx, i, p.dy[i] * activate_slope(p.activation, p.x[i]));
}

}  // namespace cloze::kernels
