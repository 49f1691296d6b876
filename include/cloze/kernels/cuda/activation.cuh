// The activation functions and their slopes in a thread's registers; kernels/activation.hpp defines them.
#pragma once

#include <cmath>

#include <cloze/kernels/activation.hpp>
#include <cloze/kernels/cuda/pack.cuh>

namespace cloze::kernels::cuda {

namespace detail {

template <class A, int N, class F>
__device__ Pack<A, N> mapped(Pack<A, N> x, F f) {
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = f(x[i]);
  return x;
}

/// Φ(x): the probability of less than x under a normal distribution.
template <class A>
__device__ A normal_below(A x) {
  return A(0.5) * (A(1) + std::erf(x * A(0.70710678118654752440)));
}

/// The argument of gelu_tanh's tanh.
template <class A>
__device__ A gelu_tanh_argument(A x) {
  return A(0.79788456080286535588) * (x + A(0.044715) * x * x * x);
}

template <class A>
__device__ A sigmoid(A x) {
  return A(1) / (A(1) + std::exp(-x));
}

}  // namespace detail

/// activation(x). The kind is looked at once a pack.
template <class A, int N>
__device__ Pack<A, N> activated(Activation kind, const Pack<A, N>& x) {
  switch (kind) {
    case Activation::gelu:
      return detail::mapped(x, [](A v) { return v * detail::normal_below(v); });
    case Activation::gelu_tanh:
      return detail::mapped(x, [](A v) { return A(0.5) * v * (A(1) + std::tanh(detail::gelu_tanh_argument(v))); });
    case Activation::relu:
      return detail::mapped(x, [](A v) { return v > A(0) ? v : (v != v ? v : A(0)); });
    case Activation::silu:
      return detail::mapped(x, [](A v) { return v / (A(1) + std::exp(-v)); });
    case Activation::tanh:
      return detail::mapped(x, [](A v) { return std::tanh(v); });
    default:
      return x;
  }
}

/// d activation(x) / dx.
template <class A, int N>
__device__ Pack<A, N> activation_slope(Activation kind, const Pack<A, N>& x) {
  switch (kind) {
    case Activation::gelu:
      return detail::mapped(
          x, [](A v) { return detail::normal_below(v) + v * A(0.39894228040143267794) * std::exp(A(-0.5) * v * v); });
    case Activation::gelu_tanh:
      return detail::mapped(x, [](A v) {
        const A t = std::tanh(detail::gelu_tanh_argument(v));
        return A(0.5) * (A(1) + t) +
               A(0.5) * v * (A(1) - t * t) * A(0.79788456080286535588) * (A(1) + A(3) * A(0.044715) * v * v);
      });
    case Activation::relu:
      return detail::mapped(x, [](A v) { return v > A(0) ? A(1) : A(0); });
    case Activation::silu:
      return detail::mapped(x, [](A v) {
        const A s = detail::sigmoid(v);
        return s * (A(1) + v * (A(1) - s));
      });
    case Activation::tanh:
      return detail::mapped(x, [](A v) {
        const A t = std::tanh(v);
        return A(1) - t * t;
      });
    default:
      return filled<N>(A(1));
  }
}

}  // namespace cloze::kernels::cuda
