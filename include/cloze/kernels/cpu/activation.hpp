// Activations on xsimd batches.
#pragma once

#include <xsimd/xsimd.hpp>

#include <cloze/kernels/activation.hpp>

namespace cloze::kernels {

/// activate() on a batch, within a few ulp of the scalar definition.
template <Activation kind, class T>
xsimd::batch<T> activate(xsimd::batch<T> x) {
  using B = xsimd::batch<T>;
  if constexpr (kind == Activation::none) return x;
  if constexpr (kind == Activation::gelu)
    return B(T(0.5)) * x * (B(T(1)) + xsimd::erf(x * B(T(0.70710678118654752440))));
  if constexpr (kind == Activation::gelu_tanh)
    return B(T(0.5)) * x * (B(T(1)) + xsimd::tanh(B(T(0.79788456080286535588)) * (x + B(T(0.044715)) * x * x * x)));
  if constexpr (kind == Activation::relu) return xsimd::select(x < B(T(0)), B(T(0)), x);
  if constexpr (kind == Activation::silu) return x / (B(T(1)) + xsimd::exp(-x));
  if constexpr (kind == Activation::tanh) return xsimd::tanh(x);
}

/// activate_slope() on a batch.
template <Activation kind, class T>
xsimd::batch<T> activate_slope(xsimd::batch<T> x) {
  using B = xsimd::batch<T>;
  const B one(T(1)), half(T(0.5));
  if constexpr (kind == Activation::none) return one;
  if constexpr (kind == Activation::gelu)
    return half * (one + xsimd::erf(x * B(T(0.70710678118654752440)))) +
           x * B(T(0.39894228040143267794)) * xsimd::exp(-half * x * x);
  if constexpr (kind == Activation::gelu_tanh) {
    const B c(T(0.79788456080286535588));
    const B t = xsimd::tanh(c * (x + B(T(0.044715)) * x * x * x));
    return half * (one + t) + half * x * (one - t * t) * c * (one + B(T(3 * 0.044715)) * x * x);
  }
  if constexpr (kind == Activation::relu) return xsimd::select(x > B(T(0)), one, B(T(0)));
  if constexpr (kind == Activation::silu) {
    const B s = one / (one + xsimd::exp(-x));
    return s * (one + x * (one - s));
  }
  if constexpr (kind == Activation::tanh) {
    const B t = xsimd::tanh(x);
    return one - t * t;
  }
}

/// Calls f.template operator()<kind>(): the run-time kind becomes a template argument in this one place.
template <class F>
auto with_activation(Activation kind, F&& f) {
  switch (kind) {
    case Activation::gelu:
      return f.template operator()<Activation::gelu>();
    case Activation::gelu_tanh:
      return f.template operator()<Activation::gelu_tanh>();
    case Activation::relu:
      return f.template operator()<Activation::relu>();
    case Activation::silu:
      return f.template operator()<Activation::silu>();
    case Activation::tanh:
      return f.template operator()<Activation::tanh>();
    case Activation::none:
      break;
  }
  return f.template operator()<Activation::none>();
}

}  // namespace cloze::kernels
