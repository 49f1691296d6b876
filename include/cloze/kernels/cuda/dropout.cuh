// Dropout on Cuda: a warp for every 256 columns of a row.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/dropout_bits.cuh>
#include <cloze/kernels/dropout_args.hpp>

namespace cloze::kernels {

namespace cuda {

inline constexpr int dropout_warps = 8;  // of a block

/// a.row_ids is on the device. `chunks`: of a row.
template <class T, int N>
__global__ void __launch_bounds__(warp_size* dropout_warps)
    dropout_kernel(DropoutArgs<T> a, DropoutBits<Compute<T>> bits, Index chunks) {
  const Index warp = static_cast<Index>(blockIdx.x) * dropout_warps + threadIdx.y;
  if (warp >= a.rows * chunks) return;
  const int lane = static_cast<int>(threadIdx.x);
  const Index r = warp / chunks, base = warp % chunks * chunk, first = r * a.columns;
  auto y = load_eight<N>(a.x + first, base, a.columns, lane);
  drop<N>(bits, a.row_ids ? a.row_ids[r] : r, base, lane, y);
  put_eight<N>(a.y, first, base, a.columns, lane, y);
}

}  // namespace cuda

template <class T>
void dropout(Cuda, const DropoutArgs<T>& args) {
  DropoutArgs<T> a = args;
  const Index chunks = (a.columns + cuda::chunk - 1) / cuda::chunk;
  if (a.rows == 0 || chunks == 0) return;
  const cloze::cuda::Uploaded<Index> row_ids(a.row_ids, a.rows);
  a.row_ids = row_ids.data();
  const dim3 grid(cuda::blocks_for(a.rows * chunks, cuda::dropout_warps)), block(cuda::warp_size, cuda::dropout_warps);
  const cuda::DropoutBits<Compute<T>> bits(a.dropout);
  if (cuda::whole_packs<T>(a.columns) && cuda::aligned(a.x, a.y.data))
    cuda::launch(cuda::dropout_kernel<T, cuda::full_pack<T>>, grid, block, 0, "dropout", a, bits, chunks);
  else
    cuda::launch(cuda::dropout_kernel<T, 1>, grid, block, 0, "dropout", a, bits, chunks);
}

}  // namespace cloze::kernels
