// Bias and activation on Cuda.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/bias_activation_args.hpp>
#include <cloze/kernels/cuda/activation.cuh>
#include <cloze/kernels/cuda/column_sum.cuh>
#include <cloze/kernels/cuda/each.cuh>

namespace cloze::kernels {

namespace cuda {

template <class T>
struct BiasActivationBody {
  BiasActivationArgs<T> a;
  template <int N>
  __device__ void run(Index r, Index c) const {
    const Index at = r * a.columns + c;
    auto x = load<N>(a.x + at);
    if (a.bias) {
      const auto bias = load<N>(a.bias + c);
#pragma unroll
      for (int i = 0; i < N; ++i) x[i] += bias[i];
    }
    if (a.activation == Activation::none) {
      store(a.y + at, x);
    } else {
      if (a.bias) {
        store(a.x + at, x);
        x = load<N>(a.x + at);  // as it is stored: the backward pass sees no more of it
      }
      store(a.y + at, activated(a.activation, x));
    }
  }
};

/// The terms of a bias's gradient; writes dx on the way.
template <class T>
struct BiasGradientSource {
  BiasActivationBackwardArgs<T> a;
  template <int N>
  __device__ Pack<Compute<T>, N> take(Index r, Index c) const {
    const Index at = r * a.columns + c;
    auto dx = load<N>(a.dy + at);
    if (a.activation != Activation::none) {
      const auto slope = activation_slope(a.activation, load<N>(a.x + at));
#pragma unroll
      for (int i = 0; i < N; ++i) dx[i] *= slope[i];
    }
    if (a.dx) store(a.dx + at, dx);
    return dx;
  }
};

}  // namespace cuda

template <class T>
void bias_activation_forward(Cuda, const BiasActivationArgs<T>& a) {
  if (a.activation == Activation::none && a.bias == nullptr && a.x == a.y) return;
  const bool packed = cuda::whole_packs<T>(a.columns) && cuda::aligned(a.x, a.bias, a.y);
  cuda::each_in_rows<T>("bias and activation", a.rows, a.columns, packed, cuda::BiasActivationBody<T>{a});
}

template <class T>
void bias_activation_backward(Cuda, const BiasActivationBackwardArgs<T>& a) {
  if (a.dbias.data == nullptr && a.dx == nullptr) return;
  const bool packed = cuda::whole_packs<T>(a.columns) && cuda::aligned(a.x, a.dy, a.dx, a.dbias.data);
  cuda::column_sum("bias and activation backward", a.rows, a.columns, packed, cuda::BiasGradientSource<T>{a}, a.dbias);
}

}  // namespace cloze::kernels
