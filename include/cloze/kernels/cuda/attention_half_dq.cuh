// The gradient of the queries on tensor cores: a warp keeps 16 queries and walks over the keys.
#pragma once

#include <cloze/kernels/cuda/attention_half_tile.cuh>

namespace cloze::kernels::cuda {

inline constexpr int half_grad_warps = 4;
inline constexpr int half_grad_rows = 64;  // of a tile, of queries and of keys

template <int D>
constexpr std::size_t half_dq_shared() {
  return static_cast<std::size_t>(HalfTile<D>::bytes(4 * half_grad_rows));
}

/// Grid: [tiles of 64 queries, heads]. While keys and values of one tile are multiplied, those of the next arrive.
template <class T, int D, bool General>
__global__ void __launch_bounds__(half_grad_warps * 32, 1)
    attention_half_dq(const __grid_constant__ AttentionDevice<T> a, unsigned aligned) {
  constexpr int rows = half_grad_rows;
  const AttentionShape& shape = a.shape;
  const auto [s, first] = shape.q_tiles[blockIdx.x];
  const int h = static_cast<int>(blockIdx.y), kv = a.kv_head(h), d = shape.head_size;
  const int query_count = shape.queries(s), key_count = shape.keys(s);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4,
            t = lane % 4;
  const int row = warp * 16;
  const bool awake = first + row < query_count;
  const int4 seen = half_tile_seen(shape, s, first, rows);
  const int begin = seen.x / rows * rows;
  const auto stage = [](int number, int which) {
    return HalfTile<D>{dynamic_shared() + HalfTile<D>::bytes(rows) * (2 * number + which)};
  };
  const auto load = [&](int start, int number) {
    stage(number, 0).load(a.k_row(s, start, kv), a.k_stride, rows, key_count - start, d, aligned >> 1 & 1);
    stage(number, 1).load(a.v_row(s, start, kv), a.v_stride, rows, key_count - start, d, aligned >> 2 & 1);
    end_copies();
  };
  // The queries pass through the second stage before keys come to it.
  stage(1, 0).load(a.q_row(s, first, h), a.q_stride, rows, query_count - first, d, aligned & 1);
  stage(1, 1).load(a.grad_o_row(s, first, h), a.o_stride, rows, query_count - first, d, aligned >> 3 & 1);
  end_copies();
  if (begin < seen.y) load(begin, 0);
  await_copies<0>();
  __syncthreads();
  std::uint32_t q[D / 16][4], grad_o[D / 16][4];
#pragma unroll
  for (int k = 0; k < D / 16; ++k) {
    stage(1, 0).left(q[k], row, 16 * k);
    stage(1, 1).left(grad_o[k], row, 16 * k);
  }
  float lse[2], dot[2], dq[D / 8][4] = {};
  int position[2];
  int2 sees[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int i = first + row + g + 8 * r;
    lse[r] = i < query_count ? a.lse[a.statistic(s, i, h)] * log2_e : INFINITY;
    dot[r] = i < query_count ? a.dots[a.statistic(s, i, h)] : 0.0f;
    sees[r] = shape.seen(s, i);
    position[r] = General && a.bias && i < query_count ? shape.position(s, i) : 0;
  }
  const float factor = a.scale * log2_e, kept = General ? static_cast<float>(shape.dropout.scale) : 1.0f;
  int number = 0;
  for (int start = begin; start < seen.y; start += rows, number ^= 1) {
    await_copies<0>();
    __syncthreads();
    if (start + rows < seen.y) load(start + rows, number ^ 1);
    if (!awake) continue;
    const HalfTile<D> keys = stage(number, 0), values = stage(number, 1);
    const bool masked = start < seen.z || start + rows > seen.w;
#pragma unroll(D <= 96 ? 4 : 1)  // wider heads need the registers
    for (int x = 0; x < rows / 16; ++x) {
      if (start + 16 * x >= seen.y) break;
      float score[2][4] = {}, grad[2][4] = {};
#pragma unroll
      for (int k = 0; k < D / 16; ++k) {
        std::uint32_t b[4];
        keys.right(b, 16 * k, 16 * x);
        mma<T>(score[0], q[k], b[0], b[1]);
        mma<T>(score[1], q[k], b[2], b[3]);
        values.right(b, 16 * k, 16 * x);
        mma<T>(grad[0], grad_o[k], b[0], b[1]);
        mma<T>(grad[1], grad_o[k], b[2], b[3]);
      }
      std::uint32_t drawn = 0;
      if constexpr (General)
        if (shape.drops()) drawn = dropout_block(shape, s, h, first + row, start + 16 * x);
#pragma unroll
      for (int n = 0; n < 2; ++n)
#pragma unroll
        for (int c = 0; c < 2; ++c) {
          const int j = start + 16 * x + 8 * n + 2 * t + c;
          std::uint32_t bits = ~0u;
          if constexpr (General)
            if (shape.drops()) bits = __shfl_sync(0xFFFFFFFFu, drawn, 8 * n + 2 * t + c) >> g;
#pragma unroll
          for (int r = 0; r < 2; ++r) {
            const int i = first + row + g + 8 * r, e = 2 * r + c;
            float power = score[n][e] * factor - lse[r], arrived = grad[n][e];
            if constexpr (General) {
              if (a.bias && i < query_count && j < key_count) power += a.bias_at(s, h, i, position[r], j) * log2_e;
              arrived = bits >> (8 * r) & 1 ? arrived * kept : 0.0f;
            }
            if (masked && (j < sees[r].x || j >= sees[r].y)) power = -INFINITY;
            grad[n][e] = exp2_approximately(power) * (arrived - dot[r]);
          }
        }
      std::uint32_t left[4];
      as_left<T>(left, grad[0], grad[1]);
#pragma unroll
      for (int n = 0; n < D / 16; ++n) {
        std::uint32_t b[4];
        keys.right_transposed(b, 16 * x, 16 * n);
        mma<T>(dq[2 * n], left, b[0], b[1]);
        mma<T>(dq[2 * n + 1], left, b[2], b[3]);
      }
    }
  }
  await_copies<0>();
  __syncthreads();
  if (!awake) return;
  const int i = first + row;
  half_store_rows<T, D, D>(stage(0, 0), row, 0, dq, a.scale, a.scale,
                           {a.dq.data + (shape.cu_q[s] + i) * a.q_stride + h * d, a.dq.add}, a.q_stride,
                           query_count - i, d, aligned >> 4 & 1);
}

}  // namespace cloze::kernels::cuda
