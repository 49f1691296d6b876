// Tiles of the plain attention kernels: 32 rows in shared memory, multiplied with ordinary arithmetic in the precision
// of the tensors. 256 threads; thread r · 8 + c owns row r, and of its columns those that leave c modulo 8.
#pragma once

#include <cloze/kernels/cuda/attention_device.cuh>
#include <cloze/kernels/cuda/shared.cuh>

namespace cloze::kernels::cuda {

inline constexpr int plain_rows = 32;  // of a tile, queries and keys
inline constexpr int plain_lanes = 8;  // threads of a row
inline constexpr int plain_threads = plain_rows * plain_lanes;
inline constexpr int plain_scores = plain_rows / plain_lanes;  // of a thread in a tile of scores

/// Elements from row to row: threads that read one column of eight rows four at a time hit all banks.
template <int D>
inline constexpr int plain_stride = D + 4;
template <int D>
inline constexpr int plain_tile = plain_rows* plain_stride<D>;
inline constexpr int plain_score_stride = plain_rows + 1;

/// Four neighbours, loaded at once.
template <class W>
struct alignas(16) Quad {
  W x[4];
};

/// Rows of `head_size` columns into a tile; the rest is zero.
template <int D, class T>
__device__ void plain_load(Wide<T>* tile, const T* rows, long long stride, int count, int head_size) {
  for (int e = static_cast<int>(threadIdx.x); e < plain_rows * D; e += plain_threads) {
    const int r = e / D, c = e % D;
    tile[r * plain_stride<D> + c] = r < count && c < head_size ? widen(rows[r * stride + c]) : Wide<T>(0);
  }
}

/// out[j] = a[row] · b[lane + 8 j].
template <int D, class W>
__device__ void plain_products(const W* a, const W* b, int row, int lane, W (&out)[plain_scores]) {
  for (int j = 0; j < plain_scores; ++j) out[j] = W(0);
#pragma unroll 4
  for (int c = 0; c < D; c += 4) {
    const auto x = *reinterpret_cast<const Quad<W>*>(a + row * plain_stride<D> + c);
#pragma unroll
    for (int j = 0; j < plain_scores; ++j) {
      const auto y = *reinterpret_cast<const Quad<W>*>(b + (lane + plain_lanes * j) * plain_stride<D> + c);
#pragma unroll
      for (int e = 0; e < 4; ++e) out[j] += x.x[e] * y.x[e];
    }
  }
}

/// sum[i] += Σ over the rows x of `b` of weights[row][x] · b[x][lane + 8 i].
template <int D, class W>
__device__ void plain_accumulate(const W* weights, const W* b, int row, int lane, W (&sum)[D / plain_lanes]) {
  for (int x = 0; x < plain_rows; ++x) {
    const W w = weights[row * plain_score_stride + x];
#pragma unroll
    for (int i = 0; i < D / plain_lanes; ++i) sum[i] += w * b[x * plain_stride<D> + lane + plain_lanes * i];
  }
}

/// Over the eight threads of a row.
template <class W>
__device__ W plain_row_max(W x) {
  for (int bit = 4; bit; bit /= 2) {
    const W other = __shfl_xor_sync(0xFFFFFFFFu, x, bit);
    x = other > x ? other : x;
  }
  return x;
}
template <class W>
__device__ W plain_row_sum(W x) {
  for (int bit = 4; bit; bit /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, bit);
  return x;
}

/// The keys that some query of the tile from row `first` on sees: [x, y). All threads of the block get it.
__device__ inline int2 plain_tile_seen(const AttentionShape& shape, int s, int first) {
  const int2 own = shape.seen(s, first + static_cast<int>(threadIdx.x) % 32);
  const bool some = own.x < own.y;
  const int begin = __reduce_min_sync(0xFFFFFFFFu, some ? own.x : 0x7FFFFFFF);
  const int end = __reduce_max_sync(0xFFFFFFFFu, some ? own.y : 0);
  return make_int2(begin < end ? begin : end, end);
}

}  // namespace cloze::kernels::cuda
