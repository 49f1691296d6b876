// Bias and activation on Reference.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/bias_activation_args.hpp>

namespace cloze::kernels {

template <class T>
void bias_activation_forward(Reference, const BiasActivationArgs<T>& a) {
  for (Index r = 0; r < a.rows; ++r)
    for (Index c = 0; c < a.columns; ++c) {
      const Index i = r * a.columns + c;
      const T x = a.x[i] + (a.bias ? a.bias[c] : T(0));
      if (a.activation != Activation::none) a.x[i] = x;
      a.y[i] = activate(a.activation, x);
    }
}

template <class T>
void bias_activation_backward(Reference, const BiasActivationBackwardArgs<T>& a) {
  for (Index c = 0; c < a.columns; ++c) {
    T sum{0};
    for (Index r = 0; r < a.rows; ++r) {
      const Index i = r * a.columns + c;
      const T dx = a.activation == Activation::none ? a.dy[i] : a.dy[i] * activate_slope(a.activation, a.x[i]);
      if (a.dx) a.dx[i] = dx;
      sum += dx;
    }
    if (a.dbias.data) a.dbias.data[c] = a.dbias.add ? a.dbias.data[c] + sum : sum;
  }
}

}  // namespace cloze::kernels
