// AdamW on Cuda: one pass over weight, gradient and both moments.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/adamw_args.hpp>
#include <cloze/kernels/cuda/each.cuh>

namespace cloze::kernels {

namespace cuda {

/// One element. Every product that is added to something is a fused one by name: left to itself, the compiler might
/// fuse differently for whole tensors and for rows, whose updates must be the same to the last bit.
template <class A>
__device__ void adamw_one(const AdamWFactors<A>& f, A& w, A g, A& m, A& v) {
  g = std::fma(g, f.grad_scale, A(0));
  m = std::fma(f.one_beta1, g - m, m);
  v = std::fma(f.beta2, v, f.one_beta2 * g * g);
  w = std::fma(w, f.keep, -(f.step_size * m / (std::sqrt(v) / f.root + f.eps)));
}

/// N elements; `master` may be null.
template <int N, class T, class A = Compute<T>>
__device__ void adamw_pack(const AdamWFactors<A>& f, T* weight, A* master, const Pack<A, N>& g, A* moment1,
                           A* moment2) {
  auto w = load_master<N>(weight, master), m = load<N>(moment1), v = load<N>(moment2);
#pragma unroll
  for (int i = 0; i < N; ++i) adamw_one(f, w[i], g[i], m[i], v[i]);
  store(weight, w);
  if (master) store(master, w);
  store(moment1, m);
  store(moment2, v);
}

template <class T>
struct AdamWBody {
  AdamWArgs<T> a;
  template <int N>
  __device__ void run(Index i) const {
    if (!takes_step(a.device_scale)) return;
    adamw_pack(with_scale(a.factors, a.device_scale), a.weight + i, a.master ? a.master + i : nullptr,
               load<N>(a.grad + i), a.m + i, a.v + i);
  }
};

/// a.rows and a.grad_rows are on the device.
template <class T>
struct AdamWRowsBody {
  AdamWRowsArgs<T> a;
  template <int N>
  __device__ void run(Index i, Index c) const {
    if (!takes_step(a.device_scale)) return;
    const Index from = a.grad_rows[i], at = i * a.columns + c, to = a.rows[i] * a.columns + c;
    const auto g = from < 0 ? filled<N>(Compute<T>(0)) : load<N>(a.grads + from * a.columns + c);
    adamw_pack(with_scale(a.factors, a.device_scale), a.weight + to, a.master ? a.master + to : nullptr, g, a.m + at,
               a.v + at);
  }
};

}  // namespace cuda

template <class T>
void adamw(Cuda, const AdamWArgs<T>& a) {
  cuda::each<T>("adamw", a.size, cuda::aligned(a.weight, a.master, a.grad, a.m, a.v), cuda::AdamWBody<T>{a});
}

template <class T>
void adamw_rows(Cuda, const AdamWRowsArgs<T>& args) {
  AdamWRowsArgs<T> a = args;
  if (a.count == 0) return;
  const cloze::cuda::Uploaded<Index> rows(a.rows, a.count), grad_rows(a.grad_rows, a.count);
  a.rows = rows.data(), a.grad_rows = grad_rows.data();
  const bool packed = cuda::whole_packs<T>(a.columns) && cuda::aligned(a.weight, a.master, a.grads, a.m, a.v);
  cuda::each_in_rows<T>("adamw_rows", a.count, a.columns, packed, cuda::AdamWRowsBody<T>{a});
}

}  // namespace cloze::kernels
