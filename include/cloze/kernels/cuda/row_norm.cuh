// A row normalised by a block that holds it in registers, eight columns to a thread: shared by LayerNorm and by the
// embeddings' sum.
#pragma once

#include <algorithm>

#include <cloze/kernels/cuda/dropout_bits.cuh>

namespace cloze::kernels::cuda {

/// Warps that share a row at most; rows of more columns than these hold are long: read again for each pass.
inline constexpr int norm_warps = 16;
inline constexpr int norm_threads = norm_warps * warp_size;
inline constexpr Index short_row = Index{norm_warps} * chunk;

inline unsigned norm_block(Index columns) {
  return static_cast<unsigned>(std::min<Index>(norm_warps, (columns + chunk - 1) / chunk) * warp_size);
}

/// A block goes on to further rows beyond so many.
inline unsigned norm_grid(Index rows) { return static_cast<unsigned>(std::min<Index>(rows, 4096)); }

/// The calling thread's part of a row.
struct RowPart {
  int lane = static_cast<int>(threadIdx.x) % warp_size;
  Index begin = static_cast<Index>(threadIdx.x) / warp_size * chunk;  // its first chunk, and
  Index step = static_cast<Index>(blockDim.x) / warp_size * chunk;    // from there to the next
};

template <class T>
__device__ Pack<Compute<T>, lane_columns> as_stored(Pack<Compute<T>, lane_columns> eight) {
#pragma unroll
  for (int i = 0; i < lane_columns; ++i) eight[i] = widen(narrow<T>(eight[i]));
  return eight;
}

/// What the weights of a normalisation are where there are some, else `otherwise`.
template <int N, class T>
__device__ Pack<Compute<T>, lane_columns> weights_or(const T* weights, Compute<T> otherwise, Index base, Index columns,
                                                     int lane) {
  return weights ? load_eight<N>(weights, base, columns, lane) : filled<lane_columns>(otherwise);
}

template <class A>
struct Moments {
  A mean, rstd;
};

/// Mean and 1 / √(variance + eps) of a row. `sum` is the calling thread's part of its sum; `z` its eight elements where
/// the row is short, else they are read from `row`.
template <int N, bool Long, class T>
__device__ Moments<Compute<T>> row_moments(const T* row, Pack<Compute<T>, lane_columns> z, Compute<T> sum,
                                           Index columns, Compute<T> eps, const RowPart& part,
                                           BlockSum<Compute<T>, 1>& add) {
  using A = Compute<T>;
  A total[1] = {sum};
  add(total);
  const A mean = total[0] / static_cast<A>(columns);
  total[0] = A(0);
  for (Index base = part.begin; base < columns; base += part.step) {
    if constexpr (Long) z = load_eight<N>(row, base, columns, part.lane);
#pragma unroll
    for (int k = 0; k < lane_columns / N; ++k)
      if (base + chunk_column<N>(k, part.lane) < columns)
#pragma unroll
        for (int i = k * N; i < (k + 1) * N; ++i) total[0] += (z[i] - mean) * (z[i] - mean);
  }
  add(total);
  return {mean, A(1) / std::sqrt(total[0] / static_cast<A>(columns) + eps)};
}

}  // namespace cloze::kernels::cuda
