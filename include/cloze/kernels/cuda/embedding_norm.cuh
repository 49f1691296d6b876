// Looked-up rows, summed and normalised, on Cuda: a block per row, one pass.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/row_norm.cuh>
#include <cloze/kernels/embedding_norm_args.hpp>

namespace cloze::kernels {

namespace cuda {

/// The ids of the tables are on the device.
template <class T, int N, bool Long>
__global__ void __launch_bounds__(norm_threads)
    embedding_norm_kernel(EmbeddingNormArgs<T> a, DropoutBits<Compute<T>> bits) {
  using A = Compute<T>;
  __shared__ typename BlockSum<A, 1>::Shared shared;
  BlockSum<A, 1> add(shared);
  const RowPart part;
  auto gamma = load_eight<N>(a.gamma, part.begin, a.columns, part.lane);
  auto beta = load_eight<N>(a.beta, part.begin, a.columns, part.lane);
  for (Index r = blockIdx.x; r < a.rows; r += gridDim.x) {
    const Index first = r * a.columns;
    const T* from[EmbeddingNormArgs<T>::most];
#pragma unroll
    for (int t = 0; t < EmbeddingNormArgs<T>::most; ++t)
      from[t] = t < a.count ? a.tables[t].table + a.tables[t].ids[r] * a.columns : nullptr;
    auto z = filled<lane_columns>(A(0));
    A sum(0);
    for (Index base = part.begin; base < a.columns; base += part.step) {
      z = load_eight<N>(from[0], base, a.columns, part.lane);
#pragma unroll
      for (int t = 1; t < EmbeddingNormArgs<T>::most; ++t)
        if (t < a.count) {
          const auto more = load_eight<N>(from[t], base, a.columns, part.lane);
#pragma unroll
          for (int i = 0; i < lane_columns; ++i) z[i] += more[i];
        }
      z = as_stored<T>(z);
      if (Long || a.z != a.y) store_eight<N>(a.z + first, base, a.columns, part.lane, z);
#pragma unroll
      for (int i = 0; i < lane_columns; ++i) sum += z[i];
    }
    const auto moments = row_moments<N, Long>(a.z + first, z, sum, a.columns, a.eps, part, add);
    for (Index base = part.begin; base < a.columns; base += part.step) {
      if constexpr (Long) {
        z = load_eight<N>(a.z + first, base, a.columns, part.lane);
        gamma = load_eight<N>(a.gamma, base, a.columns, part.lane);
        beta = load_eight<N>(a.beta, base, a.columns, part.lane);
      }
#pragma unroll
      for (int i = 0; i < lane_columns; ++i) z[i] = (z[i] - moments.mean) * moments.rstd * gamma[i] + beta[i];
      if (bits.active()) drop<N>(bits, r, base, part.lane, z);
      store_eight<N>(a.y + first, base, a.columns, part.lane, z);
    }
    if (threadIdx.x == 0 && a.mean) a.mean[r] = moments.mean;
    if (threadIdx.x == 0 && a.rstd) a.rstd[r] = moments.rstd;
  }
}

}  // namespace cuda

template <class T>
void embedding_norm_forward(Cuda, const EmbeddingNormArgs<T>& args) {
  EmbeddingNormArgs<T> a = args;
  if (a.rows == 0) return;
  cloze::cuda::Uploaded<Index> ids[EmbeddingNormArgs<T>::most];
  bool packed = cuda::whole_packs<T>(a.columns) && cuda::aligned(a.gamma, a.beta, a.z, a.y);
  for (int t = 0; t < a.count; ++t) {
    ids[t] = cloze::cuda::Uploaded<Index>(a.tables[t].ids, a.rows);
    a.tables[t].ids = ids[t].data();
    packed = packed && cuda::aligned(a.tables[t].table);
  }
  const auto start = [&](auto kernel) {
    cuda::launch(kernel, dim3(cuda::norm_grid(a.rows)), dim3(cuda::norm_block(a.columns)), 0, "embedding_norm", a,
                 cuda::DropoutBits<Compute<T>>(a.dropout));
  };
  if (a.columns > cuda::short_row)
    start(cuda::embedding_norm_kernel<T, 1, true>);
  else if (packed)
    start(cuda::embedding_norm_kernel<T, cuda::full_pack<T>, false>);
  else
    start(cuda::embedding_norm_kernel<T, 1, false>);
}

}  // namespace cloze::kernels
