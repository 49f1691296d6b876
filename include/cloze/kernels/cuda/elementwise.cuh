// Sums, products and activations on Cuda.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/activation.cuh>
#include <cloze/kernels/cuda/each.cuh>
#include <cloze/kernels/elementwise_args.hpp>

namespace cloze::kernels {

namespace cuda {

template <class T>
struct CombineBody {
  CombineArgs<T> p;
  template <int N>
  __device__ void run(Index i) const {
    auto y = load<N>(p.x + i);
    const auto z = p.z ? load<N>(p.z + i) : filled<N>(Compute<T>(0));
#pragma unroll
    for (int j = 0; j < N; ++j) y[j] = p.a * y[j] + (p.z ? p.b * z[j] : Compute<T>(0)) + p.shift;
    put(p.y, i, y);
  }
};

template <class T>
struct MultiplyBody {
  MultiplyArgs<T> p;
  template <int N>
  __device__ void run(Index i) const {
    auto y = load<N>(p.x + i);
    const auto z = load<N>(p.z + i);
#pragma unroll
    for (int j = 0; j < N; ++j) y[j] *= z[j];
    put(p.y, i, y);
  }
};

template <class T>
struct ActivateBody {
  ActivateArgs<T> p;
  template <int N>
  __device__ void run(Index i) const {
    store(p.y + i, activated(p.activation, load<N>(p.x + i)));
  }
};

template <class T>
struct ActivateBackwardBody {
  ActivateBackwardArgs<T> p;
  template <int N>
  __device__ void run(Index i) const {
    auto dx = activation_slope(p.activation, load<N>(p.x + i));
    const auto dy = load<N>(p.dy + i);
#pragma unroll
    for (int j = 0; j < N; ++j) dx[j] *= dy[j];
    put(p.dx, i, dx);
  }
};

}  // namespace cuda

template <class T>
void combine(Cuda, const CombineArgs<T>& p) {
  cuda::each<T>("combine", p.size, cuda::aligned(p.x, p.z, p.y.data), cuda::CombineBody<T>{p});
}

template <class T>
void multiply(Cuda, const MultiplyArgs<T>& p) {
  cuda::each<T>("multiply", p.size, cuda::aligned(p.x, p.z, p.y.data), cuda::MultiplyBody<T>{p});
}

template <class T>
void activate_forward(Cuda, const ActivateArgs<T>& p) {
  cuda::each<T>("activate", p.size, cuda::aligned(p.x, p.y), cuda::ActivateBody<T>{p});
}

template <class T>
void activate_backward(Cuda, const ActivateBackwardArgs<T>& p) {
  cuda::each<T>("activate backward", p.size, cuda::aligned(p.x, p.dy, p.dx.data), cuda::ActivateBackwardBody<T>{p});
}

}  // namespace cloze::kernels
