// Matrix copies on Cuda.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/each.cuh>
#include <cloze/kernels/cuda/team.cuh>
#include <cloze/kernels/matrix_copy_args.hpp>

namespace cloze::kernels {

namespace cuda {

template <class T>
struct MatrixCopyBody {
  MatrixCopyArgs<T> p;
  template <int N>
  __device__ void run(Index r, Index c) const {
    put(GradTarget<T>{p.to, p.add}, r * p.ld_to + c, load<N>(p.from + r * p.ld_from + c));
  }
};

inline constexpr int tile = 32, tile_rows = 8;

/// A tile goes through shared memory, so that both sides are read and written along their rows. One column more keeps
/// the threads of a warp on different banks.
template <class T>
__global__ void __launch_bounds__(tile* tile_rows) transpose_kernel(TransposeArgs<T> p, Index tiles) {
  __shared__ T shared[tile][tile + 1];
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const Index first_row = blockIdx.x / tiles * tile, first_column = blockIdx.x % tiles * tile;
  for (int i = y; i < tile; i += tile_rows)
    if (first_row + i < p.rows && first_column + x < p.columns)
      shared[i][x] = p.from[(first_row + i) * p.columns + first_column + x];
  __syncthreads();
  for (int i = y; i < tile; i += tile_rows)
    if (first_column + i < p.columns && first_row + x < p.rows)
      put(GradTarget<T>{p.to, p.add}, (first_column + i) * p.rows + first_row + x, load<1>(&shared[x][i]));
}

}  // namespace cuda

template <class T>
void matrix_copy(Cuda, const MatrixCopyArgs<T>& p) {
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::whole_packs<T>(p.ld_from) &&
                      cuda::whole_packs<T>(p.ld_to) && cuda::aligned(p.from, p.to);
  cuda::each_in_rows<T>("matrix_copy", p.rows, p.columns, packed, cuda::MatrixCopyBody<T>{p});
}

template <class T>
void transpose(Cuda, const TransposeArgs<T>& p) {
  if (p.rows == 0 || p.columns == 0) return;
  const Index tiles = (p.columns + cuda::tile - 1) / cuda::tile;
  const dim3 grid(cuda::blocks_for((p.rows + cuda::tile - 1) / cuda::tile * tiles, 1));
  cuda::launch(cuda::transpose_kernel<T>, grid, dim3(cuda::tile, cuda::tile_rows), 0, "transpose", p, tiles);
}

}  // namespace cloze::kernels
