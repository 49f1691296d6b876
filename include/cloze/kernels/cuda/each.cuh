// Elementwise work: one function for every element of a tensor, or for every element of every row.
#pragma once

#include <algorithm>

#include <cloze/kernels/cuda/launch.cuh>
#include <cloze/kernels/cuda/pack.cuh>

namespace cloze::kernels::cuda {

/// Threads of a block that works element by element.
inline constexpr int each_threads = 256;

/// Packs of a body: body.template run<N>(i) handles the elements [i, i + N). What packs leave over comes singly.
template <int N, class Body>
__global__ void __launch_bounds__(each_threads) each_kernel(Index size, Body body) {
  const Index thread = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  const Index threads = static_cast<Index>(gridDim.x) * blockDim.x, packs = size / N;
#pragma unroll 1
  for (Index i = thread; i < packs; i += threads) body.template run<N>(i * N);
  if constexpr (N > 1)
#pragma unroll 1
    for (Index i = packs * N + thread; i < size; i += threads) body.template run<1>(i);
}

/// Runs `body` over [0, size). T: what its elements are stored as. `packed`: whether all its pointers are aligned.
template <class T, class Body>
void each(const char* op, Index size, bool packed, const Body& body) {
  constexpr Index most_blocks = 8192;
  const Index width = packed ? full_pack<T> : 1;
  const Index blocks = std::min(most_blocks, (size / width + width + each_threads - 1) / each_threads);
  if (size == 0) return;
  const dim3 grid(static_cast<unsigned>(blocks));
  if (packed)
    launch(each_kernel<full_pack<T>, Body>, grid, dim3(each_threads), 0, op, size, body);
  else
    launch(each_kernel<1, Body>, grid, dim3(each_threads), 0, op, size, body);
}

/// Rows of a body: body.template run<N>(r, c) handles the elements [c, c + N) of row r. A block is as wide as a row
/// needs and as high as its threads allow.
template <int N, class Body>
__global__ void __launch_bounds__(each_threads) each_in_rows_kernel(Index rows, Index columns, Body body) {
  const Index r = static_cast<Index>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (r >= rows) return;
  for (Index c = static_cast<Index>(threadIdx.x) * N; c < columns; c += static_cast<Index>(blockDim.x) * N)
    body.template run<N>(r, c);
}

/// Runs `body` over [rows, columns]. `packed`: whether all its pointers and the beginnings of their rows are aligned.
template <class T, class Body>
void each_in_rows(const char* op, Index rows, Index columns, bool packed, const Body& body) {
  if (rows == 0 || columns == 0) return;
  const Index packs = packed ? columns / full_pack<T> : columns;
  unsigned wide = 1;
  while (wide < each_threads && wide < packs) wide *= 2;
  const unsigned high = each_threads / wide;
  const dim3 grid(blocks_for(rows, high)), block(wide, high);
  if (packed)
    launch(each_in_rows_kernel<full_pack<T>, Body>, grid, block, 0, op, rows, columns, body);
  else
    launch(each_in_rows_kernel<1, Body>, grid, block, 0, op, rows, columns, body);
}

}  // namespace cloze::kernels::cuda
