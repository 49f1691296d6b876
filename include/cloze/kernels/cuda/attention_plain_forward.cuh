// Attention on a GPU without tensor cores: 32 queries of one head against tiles of 32 keys with an online softmax.
#pragma once

#include <cloze/kernels/cuda/attention_plain_tile.cuh>

namespace cloze::kernels::cuda {

/// Bytes of shared memory for `tiles` tiles of [32, D] and one of scores.
template <class T, int D>
constexpr std::size_t plain_shared_bytes_for(int tiles) {
  return static_cast<std::size_t>(tiles * plain_tile<D> + plain_rows * plain_score_stride) * sizeof(Wide<T>);
}

/// Grid: [tiles of queries, heads].
template <class T, int D>
__global__ void __launch_bounds__(plain_threads, 1)
    attention_plain_forward(const __grid_constant__ AttentionDevice<T> a) {
  using W = Wide<T>;
  W* q = dynamic_shared<W>();
  W* k = q + plain_tile<D>;
  W* v = k + plain_tile<D>;
  W* p = v + plain_tile<D>;
  const AttentionShape& shape = a.shape;
  const auto [s, first] = shape.q_tiles[blockIdx.x];
  const int h = static_cast<int>(blockIdx.y), d = shape.head_size;
  const int row = static_cast<int>(threadIdx.x) / plain_lanes, lane = static_cast<int>(threadIdx.x) % plain_lanes;
  const int i = first + row, queries = shape.queries(s), keys = shape.keys(s);
  const int2 mine = shape.seen(s, i), all = plain_tile_seen(shape, s, first);
  const int position = i < queries ? shape.position(s, i) : 0;
  plain_load<D>(q, a.q_row(s, first, h), a.q_stride, queries - first, d);
  W largest = -W(INFINITY), sum = W(0), o[D / plain_lanes] = {};
  for (int start = all.x / plain_rows * plain_rows; start < all.y; start += plain_rows) {
    __syncthreads();
    plain_load<D>(k, a.k_row(s, start, a.kv_head(h)), a.k_stride, keys - start, d);
    plain_load<D>(v, a.v_row(s, start, a.kv_head(h)), a.v_stride, keys - start, d);
    __syncthreads();
    W score[plain_scores];
    plain_products<D>(q, k, row, lane, score);
    W tile_largest = -W(INFINITY);
    for (int n = 0; n < plain_scores; ++n) {
      const int j = start + lane + plain_lanes * n;
      const bool sees = j >= mine.x && j < mine.y;
      score[n] = sees ? score[n] * a.scale + (a.bias ? a.bias_at(s, h, i, position, j) : W(0)) : -W(INFINITY);
      tile_largest = score[n] > tile_largest ? score[n] : tile_largest;
    }
    tile_largest = plain_row_max(tile_largest);
    const W now = tile_largest > largest ? tile_largest : largest;
    const W reference = now == -W(INFINITY) ? W(0) : now;  // rows that saw nothing yet
    const W shrink = std::exp(largest - reference);
    largest = now;
    W tile_sum = W(0);
    for (int n = 0; n < plain_scores; ++n) {
      const int j = start + lane + plain_lanes * n;
      const W weight = std::exp(score[n] - reference);
      tile_sum += weight;
      p[row * plain_score_stride + lane + plain_lanes * n] =
          j >= mine.x && j < mine.y ? weight * a.factor(s, h, position, j) : W(0);
    }
    sum = sum * shrink + plain_row_sum(tile_sum);
    for (W& x : o) x *= shrink;
    __syncwarp();  // a row of p belongs to one warp
    plain_accumulate<D>(p, v, row, lane, o);
  }
  if (i >= queries) return;
  T* out = a.o + (shape.cu_q[s] + i) * a.o_stride + h * d;
  for (int n = 0; n < D / plain_lanes; ++n)
    if (const int c = lane + plain_lanes * n; c < d) out[c] = narrow<T>(sum == W(0) ? W(0) : o[n] / sum);
  if (a.lse && lane == 0) a.lse[a.statistic(s, i, h)] = sum == W(0) ? W(INFINITY) : largest + std::log(sum);
}

}  // namespace cloze::kernels::cuda
