// LayerNorm with residual and dropout on Cuda: one pass over memory each way.
#pragma once

#include <algorithm>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/column_sum.cuh>
#include <cloze/kernels/cuda/row_norm.cuh>
#include <cloze/kernels/layer_norm_args.hpp>

namespace cloze::kernels {

namespace cuda {

/// A block per row, and on to further rows. a.row_ids is on the device.
template <class T, int N, bool Long>
__global__ void __launch_bounds__(norm_threads) layer_norm_kernel(LayerNormArgs<T> a, DropoutBits<Compute<T>> bits) {
  using A = Compute<T>;
  __shared__ typename BlockSum<A, 1>::Shared shared;
  BlockSum<A, 1> add(shared);
  const RowPart part;
  auto gamma = weights_or<N>(a.gamma, A(1), part.begin, a.columns, part.lane);
  auto beta = weights_or<N>(a.beta, A(0), part.begin, a.columns, part.lane);
  for (Index r = blockIdx.x; r < a.rows; r += gridDim.x) {
    const Index first = r * a.columns, place = a.row_ids ? a.row_ids[r] : r;
    auto z = filled<lane_columns>(A(0));
    A sum(0);
    for (Index base = part.begin; base < a.columns; base += part.step) {
      z = load_eight<N>(a.x + first, base, a.columns, part.lane);
      if (a.z) {
        if (bits.active()) drop<N>(bits, place, base, part.lane, z);
        if (a.residual) {
          const auto residual = load_eight<N>(a.residual + first, base, a.columns, part.lane);
#pragma unroll
          for (int i = 0; i < lane_columns; ++i) z[i] += residual[i];
        }
        z = as_stored<T>(z);
        if (Long || a.z != a.y) store_eight<N>(a.z + first, base, a.columns, part.lane, z);
      }
#pragma unroll
      for (int i = 0; i < lane_columns; ++i) sum += z[i];
    }
    const T* row = (a.z ? a.z : a.x) + first;
    const auto moments = row_moments<N, Long>(row, z, sum, a.columns, a.eps, part, add);
    for (Index base = part.begin; base < a.columns; base += part.step) {
      if constexpr (Long) {
        z = load_eight<N>(row, base, a.columns, part.lane);
        gamma = weights_or<N>(a.gamma, A(1), base, a.columns, part.lane);
        beta = weights_or<N>(a.beta, A(0), base, a.columns, part.lane);
      }
#pragma unroll
      for (int i = 0; i < lane_columns; ++i) z[i] = (z[i] - moments.mean) * moments.rstd * gamma[i] + beta[i];
      store_eight<N>(a.y + first, base, a.columns, part.lane, z);
    }
    if (threadIdx.x == 0 && a.mean) a.mean[r] = moments.mean;
    if (threadIdx.x == 0 && a.rstd) a.rstd[r] = moments.rstd;
  }
}

/// Rows of the backward pass that are in flight together, to share the waits of their sums.
template <class A>
inline constexpr int norm_rows = sizeof(A) <= 4 ? 2 : 1;

/// How the rows of the backward pass are cut among blocks, each of which adds up its own part of dgamma and dbeta: by
/// the shape alone.
struct NormParts {
  Index each, parts;

  explicit NormParts(Index rows)
      : each((std::max<Index>(2, (rows + 511) / 512) + 1) / 2 * 2), parts((rows + each - 1) / each) {}
};

/// One row's share of the gradients at one chunk: what both passes over it need.
template <int N, class T>
struct NormGradients {
  using A = Compute<T>;
  Pack<A, lane_columns> dy, normal;

  __device__ void load_row(const LayerNormBackwardArgs<T>& a, Index r, Index base, int lane) {
    const A mean = a.mean[r], rstd = a.rstd[r];
    dy = load_eight<N>(a.dy + r * a.columns, base, a.columns, lane);
    normal = load_eight<N>(a.z + r * a.columns, base, a.columns, lane);
#pragma unroll
    for (int i = 0; i < lane_columns; ++i) normal[i] = (normal[i] - mean) * rstd;
  }
};

/// A block takes cut.each rows and leaves its part of dgamma in parts[0, block] and of dbeta in parts[1, block], or in
/// the targets themselves where it is the only one. `parts` is null where neither is wanted or the block is alone.
template <class T, int N, bool Long>
__global__ void __launch_bounds__(norm_threads)
    layer_norm_backward_kernel(LayerNormBackwardArgs<T> a, DropoutBits<Compute<T>> bits, Index each,
                               Compute<T>* parts) {
  using A = Compute<T>;
  constexpr int together = norm_rows<A>;
  __shared__ typename BlockSum<A, 2 * together>::Shared shared;
  BlockSum<A, 2 * together> add(shared);
  const RowPart part;
  const Index begin = blockIdx.x * each, end = begin + each < a.rows ? begin + each : a.rows;
  const A mean_of = A(1) / static_cast<A>(a.columns);
  auto gamma = weights_or<N>(a.gamma, A(1), part.begin, a.columns, part.lane);
  auto dgamma = filled<lane_columns>(A(0)), dbeta = dgamma;
  NormGradients<N, T> rows[together];

  for (Index r = begin; r < end; r += together) {
    A sums[2 * together] = {};
    for (Index base = part.begin; base < a.columns; base += part.step) {
      if constexpr (Long) gamma = weights_or<N>(a.gamma, A(1), base, a.columns, part.lane);
#pragma unroll
      for (int j = 0; j < together; ++j) {
        if (r + j >= end) continue;
        rows[j].load_row(a, r + j, base, part.lane);
#pragma unroll
        for (int i = 0; i < lane_columns; ++i) {
          const A g = rows[j].dy[i] * gamma[i];
          sums[2 * j] += g;
          sums[2 * j + 1] += g * rows[j].normal[i];
        }
      }
    }
    add(sums);
    for (Index base = part.begin; base < a.columns; base += part.step) {
      if constexpr (Long) gamma = weights_or<N>(a.gamma, A(1), base, a.columns, part.lane);
#pragma unroll
      for (int j = 0; j < together; ++j) {
        if (r + j >= end) continue;
        if constexpr (Long) rows[j].load_row(a, r + j, base, part.lane);
        const A rstd = a.rstd[r + j], mean_g = sums[2 * j] * mean_of, mean_gn = sums[2 * j + 1] * mean_of;
        Pack<A, lane_columns> dz;
#pragma unroll
        for (int i = 0; i < lane_columns; ++i)
          dz[i] = rstd * (rows[j].dy[i] * gamma[i] - mean_g - rows[j].normal[i] * mean_gn);
        const Index first = (r + j) * a.columns;
        auto dx = dz;
        if (bits.active()) drop<N>(bits, a.row_ids ? a.row_ids[r + j] : r + j, base, part.lane, dx);
        put_eight<N>(a.dx, first, base, a.columns, part.lane, dx);
        put_eight<N>(a.dresidual, first, base, a.columns, part.lane, dz);
        if constexpr (!Long)
#pragma unroll
          for (int i = 0; i < lane_columns; ++i) {
            dgamma[i] += rows[j].dy[i] * rows[j].normal[i];
            dbeta[i] += rows[j].dy[i];
          }
      }
    }
  }

  if constexpr (!Long) {
    if (parts) {
      const Index mine = blockIdx.x * a.columns, other = static_cast<Index>(gridDim.x) * a.columns;
      store_eight<N>(parts + mine, part.begin, a.columns, part.lane, dgamma);
      store_eight<N>(parts + other + mine, part.begin, a.columns, part.lane, dbeta);
    } else {
      put_eight<N>(a.dgamma, 0, part.begin, a.columns, part.lane, dgamma);
      put_eight<N>(a.dbeta, 0, part.begin, a.columns, part.lane, dbeta);
    }
  }
}

/// The terms of dgamma, or of dbeta: for long rows, whose sums do not fit a block's registers.
template <class T, bool Gamma>
struct NormWeightSource {
  LayerNormBackwardArgs<T> a;
  template <int N>
  __device__ Pack<Compute<T>, N> take(Index r, Index c) const {
    auto terms = load<N>(a.dy + r * a.columns + c);
    if constexpr (Gamma) {
      const auto z = load<N>(a.z + r * a.columns + c);
#pragma unroll
      for (int i = 0; i < N; ++i) terms[i] *= (z[i] - a.mean[r]) * a.rstd[r];
    }
    return terms;
  }
};

}  // namespace cuda

template <class T>
void layer_norm_forward(Cuda, const LayerNormArgs<T>& args) {
  if (args.rows == 0) return;
  LayerNormArgs<T> a = args;
  const cloze::cuda::Uploaded<Index> row_ids(a.row_ids, a.rows);
  a.row_ids = row_ids.data();
  const cuda::DropoutBits<Compute<T>> bits(a.dropout);
  const auto start = [&](auto kernel) {
    cuda::launch(kernel, dim3(cuda::norm_grid(a.rows)), dim3(cuda::norm_block(a.columns)), 0, "layer_norm", a, bits);
  };
  const bool packed = cuda::whole_packs<T>(a.columns) && cuda::aligned(a.x, a.residual, a.gamma, a.beta, a.z, a.y);
  if (a.columns > cuda::short_row)
    start(cuda::layer_norm_kernel<T, 1, true>);
  else if (packed)
    start(cuda::layer_norm_kernel<T, cuda::full_pack<T>, false>);
  else
    start(cuda::layer_norm_kernel<T, 1, false>);
}

template <class T>
void layer_norm_backward(Cuda, const LayerNormBackwardArgs<T>& args) {
  using A = Compute<T>;
  const char* op = "layer_norm backward";
  LayerNormBackwardArgs<T> a = args;
  const bool weights = a.dgamma.data || a.dbeta.data, is_long = a.columns > cuda::short_row;
  const cloze::cuda::Uploaded<Index> row_ids(a.row_ids, a.rows);
  a.row_ids = row_ids.data();
  const cuda::DropoutBits<A> bits(a.dropout);
  const cuda::NormParts cut(std::max<Index>(1, a.rows));
  const bool in_parts = weights && !is_long && cut.parts > 1;
  const Storage<A, Cuda> parts(in_parts ? 2 * cut.parts * a.columns : 0);
  const auto start = [&](auto kernel) {
    const dim3 grid(static_cast<unsigned>(cut.parts)), block(cuda::norm_block(a.columns));
    cuda::launch(kernel, grid, block, 0, op, a, bits, cut.each, parts.data());
  };
  const bool packed = cuda::whole_packs<T>(a.columns) &&
                      cuda::aligned(a.z, a.gamma, a.dy, a.dx.data, a.dresidual.data, a.dgamma.data, a.dbeta.data);
  if (is_long) {
    start(cuda::layer_norm_backward_kernel<T, 1, true>);
    if (a.dgamma.data) cuda::column_sum(op, a.rows, a.columns, packed, cuda::NormWeightSource<T, true>{a}, a.dgamma);
    if (a.dbeta.data) cuda::column_sum(op, a.rows, a.columns, packed, cuda::NormWeightSource<T, false>{a}, a.dbeta);
    return;
  }
  if (packed)
    start(cuda::layer_norm_backward_kernel<T, cuda::full_pack<T>, false>);
  else
    start(cuda::layer_norm_backward_kernel<T, 1, false>);
  if (in_parts) cuda::part_sums(op, cuda::PartSums<T>{cut.parts, a.columns, parts.data(), {a.dgamma, a.dbeta}});
}

}  // namespace cloze::kernels
