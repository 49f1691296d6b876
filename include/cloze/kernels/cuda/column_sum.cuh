// Sums over the rows of a matrix, in two stages whose order depends on the shape alone: gradients of biases and of
// LayerNorm's weights.
#pragma once

#include <algorithm>

#include <cloze/kernels/cuda/launch.cuh>
#include <cloze/kernels/cuda/pack.cuh>
#include <cloze/kernels/cuda/team.cuh>
#include <cloze/tensor/storage.hpp>

namespace cloze::kernels::cuda {

inline constexpr int column_sum_warps = 8;

/// Adds up parts[s][p][c] over the parts p of each of up to two sums s, in order.
template <class T>
struct PartSums {
  Index parts, columns;
  const Compute<T>* from;  // [sums, parts, columns]
  GradTarget<T> to[2];     // [columns] each
};

/// A warp takes every eighth part of 32 columns; then the eight are added in order. blockIdx.y says which sum.
template <class T>
__global__ void __launch_bounds__(warp_size* column_sum_warps) part_sums_kernel(PartSums<T> p) {
  using A = Compute<T>;
  __shared__ A of_warps[column_sum_warps][warp_size];
  const GradTarget<T> to = blockIdx.y == 0 ? p.to[0] : p.to[1];
  if (to.data == nullptr) return;
  const A* from = p.from + static_cast<Index>(blockIdx.y) * p.parts * p.columns;
  const Index c = static_cast<Index>(blockIdx.x) * warp_size + threadIdx.x;
  A sum(0);
  if (c < p.columns)
#pragma unroll 4
    for (Index part = threadIdx.y; part < p.parts; part += column_sum_warps) sum += from[part * p.columns + c];
  of_warps[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || c >= p.columns) return;
  for (int warp = 1; warp < column_sum_warps; ++warp) sum += of_warps[warp][threadIdx.x];
  Pack<A, 1> total{{sum}};
  put(to, c, total);
}

template <class T>
void part_sums(const char* op, const PartSums<T>& p) {
  if (p.columns == 0) return;
  const unsigned sums = p.to[1].data ? 2 : 1;
  launch(part_sums_kernel<T>, dim3(blocks_for(p.columns, warp_size), sums), dim3(warp_size, column_sum_warps), 0, op,
         p);
}

/// How the rows of a column sum are cut: by the shape alone, so that the bits do not depend on the GPU.
struct RowParts {
  Index each, parts;

  explicit RowParts(Index rows)
      : each(std::max<Index>(64, (rows + 255) / 256)), parts(std::max<Index>(1, (rows + each - 1) / each)) {}
};

/// Source.template take<N>(r, c) gives the N terms at row r, column c (and may do more with them, once). Without parts
/// to come after it, a block writes its sums straight to `to`, else to its own row of `parts`.
template <int N, class T, class Source>
__global__ void __launch_bounds__(warp_size* column_sum_warps)
    column_sum_kernel(Index rows, Index columns, Index each, Source source, Compute<T>* parts, GradTarget<T> to) {
  using A = Compute<T>;
  __shared__ A of_warps[column_sum_warps][warp_size * N];
  const Index c = (static_cast<Index>(blockIdx.x) * warp_size + threadIdx.x) * N;
  const Index begin = static_cast<Index>(blockIdx.y) * each, end = begin + each < rows ? begin + each : rows;
  auto sum = filled<N>(A(0));
  if (c < columns)
#pragma unroll 2
    for (Index r = begin + threadIdx.y; r < end; r += column_sum_warps) {
      const auto terms = source.template take<N>(r, c);
#pragma unroll
      for (int i = 0; i < N; ++i) sum[i] += terms[i];
    }
#pragma unroll
  for (int i = 0; i < N; ++i) of_warps[threadIdx.y][i * warp_size + threadIdx.x] = sum[i];
  __syncthreads();
  if (threadIdx.y != 0 || c >= columns) return;
  for (int warp = 1; warp < column_sum_warps; ++warp)
#pragma unroll
    for (int i = 0; i < N; ++i) sum[i] += of_warps[warp][i * warp_size + threadIdx.x];
  if (parts)
    store(parts + static_cast<Index>(blockIdx.y) * columns + c, sum);
  else if (to.data)
    put(to, c, sum);
}

/// to[c] = Σ_r source(r, c), written or added. `packed`: whether rows and pointers of the source and of `to` are
/// aligned.
template <class T, class Source>
void column_sum(const char* op, Index rows, Index columns, bool packed, const Source& source, const GradTarget<T>& to) {
  if (columns == 0) return;
  const RowParts cut(rows);
  const bool single = cut.parts == 1 || to.data == nullptr;
  const Storage<Compute<T>, Cuda> parts(single ? 0 : cut.parts * columns);
  const auto start = [&](auto kernel, int wide) {
    const dim3 grid(blocks_for(columns, warp_size * wide), static_cast<unsigned>(cut.parts));
    launch(kernel, grid, dim3(warp_size, column_sum_warps), 0, op, rows, columns, cut.each, source, parts.data(), to);
  };
  if (packed)
    start(column_sum_kernel<full_pack<T>, T, Source>, full_pack<T>);
  else
    start(column_sum_kernel<1, T, Source>, 1);
  if (!single) part_sums(op, PartSums<T>{cut.parts, columns, parts.data(), {to, {}}});
}

}  // namespace cloze::kernels::cuda
