// Norms and factors on Cuda.
#pragma once

#include <cmath>
#include <limits>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/each.cuh>
#include <cloze/kernels/cuda/total.cuh>
#include <cloze/kernels/rescale_args.hpp>

namespace cloze::kernels {

namespace cuda {

template <class T>
struct SquareTerm {
  const T* x;
  template <int N>
  __device__ double take(Index i) const {
    const auto pack = load<N>(x + i);
    double sum = 0;
#pragma unroll
    for (int j = 0; j < N; ++j) sum += static_cast<double>(pack[j]) * static_cast<double>(pack[j]);
    return sum;
  }
};

struct SquareFinish {
  double* y;
  __device__ void operator()(double sum) const { *y = sum; }
};

template <class T>
struct RescaleBody {
  RescaleArgs<T> a;
  template <int N>
  __device__ void run(Index i) const {
    auto x = load<N>(a.x + i);
#pragma unroll
    for (int j = 0; j < N; ++j) x[j] *= a.factor;
    store(a.x + i, x);
  }
};

/// One block. The sums are read by all its threads at once and added by one: they are a few hundred, and their order is
/// that of the host.
template <class T>
__global__ void __launch_bounds__(each_threads) clip_factor_kernel(ClipFactorArgs<T> a) {
  __shared__ double some[each_threads];
  double sum = 0;
  for (Index begin = 0; begin < a.count; begin += each_threads) {
    const Index count = a.count - begin < each_threads ? a.count - begin : each_threads;
    __syncthreads();
    if (threadIdx.x < count) some[threadIdx.x] = a.sums[begin + threadIdx.x];
    __syncthreads();
    for (Index i = 0; threadIdx.x == 0 && i < count; ++i) sum += some[i];
  }
  if (threadIdx.x != 0) return;
  const double norm = std::sqrt(sum);
  const bool finite = norm - norm == 0;
  const double factor = a.max_norm / (norm + 1e-6);
  *a.norm = norm;
  if (!finite) *a.skipped += 1;
  *a.factor = finite ? static_cast<Compute<T>>(factor < 1 ? factor : 1) : std::numeric_limits<Compute<T>>::quiet_NaN();
}

/// a.slots is unused: bit r of `spared` stands for a row that is left alone.
template <class T>
struct RescaleRowsBody {
  RescaleRowsArgs<T> a;
  const Index* spared;
  template <int N>
  __device__ void run(Index r, Index c) const {
    if (!takes_step(a.device_scale)) return;
    if (spared[r / 64] >> (r % 64) & 1) return;
    const Index at = r * a.columns + c;
    auto x = load_master<N>(a.x + at, a.master ? a.master + at : nullptr);
#pragma unroll
    for (int j = 0; j < N; ++j) x[j] *= a.factor;
    store(a.x + at, x);
    if (a.master) store(a.master + at, x);
  }
};

}  // namespace cuda

template <class T>
void square_sum(Cuda, const SquareSumArgs<T>& a) {
  cuda::total<T, double>("square_sum", a.size, cuda::aligned(a.x), cuda::SquareTerm<T>{a.x}, cuda::SquareFinish{a.y});
}

template <class T>
void rescale(Cuda, const RescaleArgs<T>& a) {
  cuda::each<T>("rescale", a.size, cuda::aligned(a.x), cuda::RescaleBody<T>{a});
}

template <class T>
void clip_factor(Cuda, const ClipFactorArgs<T>& a) {
  cuda::launch(cuda::clip_factor_kernel<T>, dim3(1), dim3(cuda::each_threads), 0, "clip_factor", a);
}

template <class T>
void rescale_rows(Cuda, const RescaleRowsArgs<T>& a) {
  if (a.rows == 0) return;
  // A bit a row instead of an index: a whole vocabulary's go to the GPU at every step.
  List<Index> spared(static_cast<std::size_t>((a.rows + 63) / 64));
  for (Index r = 0; r < a.rows; ++r)
    if (a.slots[r] >= 0) spared[static_cast<std::size_t>(r / 64)] |= static_cast<Index>(std::uint64_t{1} << (r % 64));
  const cloze::cuda::Uploaded<Index> sent(spared.data(), static_cast<Index>(spared.size()));
  const bool packed = cuda::whole_packs<T>(a.columns) && cuda::aligned(a.x, a.master);
  cuda::each_in_rows<T>("rescale_rows", a.rows, a.columns, packed, cuda::RescaleRowsBody<T>{a, sent.data()});
}

}  // namespace cloze::kernels
