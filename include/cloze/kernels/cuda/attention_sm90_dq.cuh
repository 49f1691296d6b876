// The gradient of the queries for Hopper: a warpgroup keeps 64 queries and walks over the keys.
#pragma once

#include <cloze/kernels/cuda/attention_sm90_tile.cuh>

namespace cloze::kernels::cuda {

/// Where a block has its tiles.
template <int D>
struct Sm90Queries {
  static constexpr int groups = 2, rows = 64 * groups, keys = 128, stages = 2;
  using Block = Sm90Block<groups>;
  using Queries = Sm90Tile<rows, D>;
  using Keys = Sm90Tile<keys, D>;
  static constexpr int bytes = 2 * Queries::bytes + 2 * stages * Keys::bytes;

  /// which: 0 for queries, 1 for the gradient of o.
  __device__ static Queries tile(int which) { return {dynamic_shared() + which * Queries::bytes}; }
  /// which: 0 for keys, 1 for values.
  __device__ static Keys stage(int number, int which) {
    return {dynamic_shared() + 2 * Queries::bytes + (2 * number + which) * Keys::bytes};
  }
};

/// Grid: [tiles of queries, heads]. Without bias and dropout.
template <class T, int D>
__global__ void __launch_bounds__(Sm90Queries<D>::Block::threads, 1)
    attention_sm90_dq(const __grid_constant__ AttentionDevice<T> a, const __grid_constant__ Sm90Maps maps,
                      unsigned aligned) {
#if CLOZE_CUDA_SM90A
  using Layout = Sm90Queries<D>;
  using Block = typename Layout::Block;
  using Place = Sm90Place<Layout::stages>;
  constexpr int tile_keys = Layout::keys;
  __shared__ int2 ranges[Layout::rows];  // the keys that a query sees
  __shared__ Sm90Barriers<1> q_barriers, grad_barriers;
  __shared__ Sm90Barriers<Layout::stages> k_barriers, v_barriers;
  const AttentionShape& shape = a.shape;
  const auto [s, first] = shape.q_tiles[blockIdx.x];
  const int h = static_cast<int>(blockIdx.y), kv = a.kv_head(h), d = shape.head_size;
  const int query_count = shape.queries(s), key_count = shape.keys(s);
  const int4 seen = half_tile_seen(shape, s, first, Layout::rows);
  const int begin = seen.x / tile_keys * tile_keys;
  for (int x = static_cast<int>(threadIdx.x); x < Layout::rows; x += Block::threads)
    ranges[x] = shape.seen(s, first + x);
  if (threadIdx.x == 0) {
    const int count = query_count - first, groups = count < Layout::rows ? (count + 63) / 64 : Layout::groups;
    q_barriers.begin(groups);
    grad_barriers.begin(groups);
    k_barriers.begin(groups);
    v_barriers.begin(groups);
    show_barriers();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    give_registers<Block::fetching>();
    const int query_row = shape.cu_q[s] + first;
    sm90_fetch(Layout::tile(0), maps.q, h, query_row, a.q_row(s, first, h), a.q_stride, query_count - first, d,
               &q_barriers.full[0]);
    sm90_fetch(Layout::tile(1), maps.grad_o, h, query_row, a.grad_o_row(s, first, h), a.o_stride, query_count - first,
               d, &grad_barriers.full[0]);
    Place place;
    for (int start = begin; start < seen.y; start += tile_keys, place.next()) {
      const int key_row = shape.cu_k[s] + start;
      k_barriers.await_empty(place);
      sm90_fetch(Layout::stage(place.stage, 0), maps.k, kv, key_row, a.k_row(s, start, kv), a.k_stride,
                 key_count - start, d, &k_barriers.full[place.stage]);
      v_barriers.await_empty(place);
      sm90_fetch(Layout::stage(place.stage, 1), maps.v, kv, key_row, a.v_row(s, start, kv), a.v_stride,
                 key_count - start, d, &v_barriers.full[place.stage]);
    }
  } else {
    take_registers<Block::multiplying>();
    const int warp = sm90_warp() - 4, lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4,
              group_row = warp / 4 * 64, row = warp * 16;
    if (first + group_row >= query_count) return;  // the barriers do not count this group
    float lse[2], dot[2], dq[D / 8][4] = {};
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int i = first + row + g + 8 * r;
      lse[r] = i < query_count ? a.lse[a.statistic(s, i, h)] * log2_e : INFINITY;
      dot[r] = i < query_count ? a.dots[a.statistic(s, i, h)] : 0.0f;
    }
    const float factor = a.scale * log2_e;
    q_barriers.await_full({});
    grad_barriers.await_full({});
    Place place;
    for (int start = begin; start < seen.y; start += tile_keys, place.next()) {
      const auto keys = Layout::stage(place.stage, 0), values = Layout::stage(place.stage, 1);
      float score[tile_keys / 8][4], grad[tile_keys / 8][4];
      k_barriers.await_full(place);
      order_registers();
      sm90_multiply<T>(score, Layout::tile(0), group_row, keys);
      end_products();
      v_barriers.await_full(place);
      order_registers();
      sm90_multiply<T>(grad, Layout::tile(1), group_row, values);
      end_products();
      await_products<1>();
      const bool masked = start < seen.z || start + tile_keys > seen.w;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        if (masked) {
          const int2 sees = ranges[row + g + 8 * r];
          const int low = sees.x - start - 2 * t, high = sees.y - start - 2 * t;
#pragma unroll
          for (int n = 0; n < tile_keys / 8; ++n)
#pragma unroll
            for (int e = 0; e < 2; ++e)
              if (const int j = 8 * n + e; j < low || j >= high) score[n][2 * r + e] = -INFINITY;
        }
#pragma unroll
        for (int n = 0; n < tile_keys / 8; ++n)
#pragma unroll
          for (int e = 2 * r; e < 2 * r + 2; ++e) score[n][e] = exp2_approximately(fmaf(score[n][e], factor, -lse[r]));
      }
      await_products<0>();
      v_barriers.done(place);
      std::uint32_t ds[tile_keys / 16][4];
#pragma unroll
      for (int x = 0; x < tile_keys / 16; ++x) {
#pragma unroll
        for (int n = 2 * x; n < 2 * x + 2; ++n)
#pragma unroll
          for (int e = 0; e < 4; ++e) grad[n][e] = score[n][e] * (grad[n][e] - dot[e / 2]);
        as_left<T>(ds[x], grad[2 * x], grad[2 * x + 1]);
      }
      order_registers();
      sm90_multiply<T>(dq, ds, keys);
      end_products();
      await_products<0>();
      k_barriers.done(place);
    }
    meet(1 + warp / 4, 128);  // all four warps are done with the queries' place, where the results pass through
    if (first + row >= query_count) return;
    sm90_store<T>(Layout::tile(0), row, dq, a.scale, a.scale,
                  {a.dq.data + (shape.cu_q[s] + first + row) * a.q_stride + h * d, a.dq.add}, a.q_stride,
                  query_count - first - row, d, aligned >> 4 & 1);
  }
#endif
}

}  // namespace cloze::kernels::cuda
