// SGD on Cuda.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/each.cuh>
#include <cloze/kernels/sgd_args.hpp>

namespace cloze::kernels {

namespace cuda {

/// N elements; `master` and `momentum` may be null. Fused products by name, as in adamw.cuh.
template <int N, class T, class A = Compute<T>>
__device__ void sgd_pack(const SgdFactors<A>& f, T* weight, A* master, Pack<A, N> g, A* momentum) {
  auto w = load_master<N>(weight, master);
#pragma unroll
  for (int i = 0; i < N; ++i) g[i] = std::fma(f.weight_decay, w[i], g[i] * f.grad_scale);
  if (momentum) {
    auto b = load<N>(momentum);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      b[i] = std::fma(f.momentum, b[i], f.fresh * g[i]);
      g[i] = f.nesterov ? std::fma(f.momentum, b[i], g[i]) : b[i];
    }
    store(momentum, b);
  }
#pragma unroll
  for (int i = 0; i < N; ++i) w[i] = std::fma(-f.lr, g[i], w[i]);
  store(weight, w);
  if (master) store(master, w);
}

template <class T>
struct SgdBody {
  SgdArgs<T> a;
  template <int N>
  __device__ void run(Index i) const {
    if (!takes_step(a.device_scale)) return;
    sgd_pack(with_scale(a.factors, a.device_scale), a.weight + i, a.master ? a.master + i : nullptr,
             load<N>(a.grad + i), a.momentum ? a.momentum + i : nullptr);
  }
};

/// a.rows and a.grad_rows are on the device.
template <class T>
struct SgdRowsBody {
  SgdRowsArgs<T> a;
  template <int N>
  __device__ void run(Index i, Index c) const {
    if (!takes_step(a.device_scale)) return;
    const Index from = a.grad_rows[i], to = a.rows[i] * a.columns + c;
    const auto g = from < 0 ? filled<N>(Compute<T>(0)) : load<N>(a.grads + from * a.columns + c);
    sgd_pack(with_scale(a.factors, a.device_scale), a.weight + to, a.master ? a.master + to : nullptr, g,
             a.momentum ? a.momentum + i * a.columns + c : nullptr);
  }
};

}  // namespace cuda

template <class T>
void sgd(Cuda, const SgdArgs<T>& a) {
  cuda::each<T>("sgd", a.size, cuda::aligned(a.weight, a.master, a.grad, a.momentum), cuda::SgdBody<T>{a});
}

template <class T>
void sgd_rows(Cuda, const SgdRowsArgs<T>& args) {
  SgdRowsArgs<T> a = args;
  if (a.count == 0) return;
  const cloze::cuda::Uploaded<Index> rows(a.rows, a.count), grad_rows(a.grad_rows, a.count);
  a.rows = rows.data(), a.grad_rows = grad_rows.data();
  const bool packed = cuda::whole_packs<T>(a.columns) && cuda::aligned(a.weight, a.master, a.grads, a.momentum);
  cuda::each_in_rows<T>("sgd_rows", a.count, a.columns, packed, cuda::SgdRowsBody<T>{a});
}

}  // namespace cloze::kernels
