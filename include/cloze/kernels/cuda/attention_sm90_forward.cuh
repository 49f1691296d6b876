// Attention's forward pass for Hopper: a warpgroup that multiplies keeps 64 queries; while it weighs the scores of one
// tile of keys, the values of the tile before are summed.
#pragma once

#include <cloze/kernels/cuda/attention_sm90_tile.cuh>

namespace cloze::kernels::cuda {

/// Where a block has its tiles. Three groups have 160 registers a thread, enough for heads of 64.
template <int D>
struct Sm90Forward {
  static constexpr int groups = D <= 64 ? 3 : 2, rows = 64 * groups, keys = 128, stages = D <= 64 ? 3 : 2;
  using Block = Sm90Block<groups>;
  using Queries = Sm90Tile<rows, D>;
  using Keys = Sm90Tile<keys, D>;
  static constexpr int bytes = Queries::bytes + 2 * stages * Keys::bytes;

  __device__ static Queries queries() { return {dynamic_shared()}; }
  /// which: 0 for keys, 1 for values.
  __device__ static Keys tile(int stage, int which) {
    return {dynamic_shared() + Queries::bytes + (2 * stage + which) * Keys::bytes};
  }
};

/// Grid: [tiles of queries, heads]. Without bias and dropout, for a positive scale.
template <class T, int D>
__global__ void __launch_bounds__(Sm90Forward<D>::Block::threads, 1)
    attention_sm90_forward(const __grid_constant__ AttentionDevice<T> a, const __grid_constant__ Sm90Maps maps,
                           unsigned aligned) {
#if CLOZE_CUDA_SM90A
  using Layout = Sm90Forward<D>;
  using Block = typename Layout::Block;
  using Place = Sm90Place<Layout::stages>;
  constexpr int tile_keys = Layout::keys;
  __shared__ int2 ranges[Layout::rows];  // the keys that a query sees: here, since registers are few
  __shared__ Sm90Barriers<1> q_barriers;
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
    const int rows = query_count - first, groups = rows < Layout::rows ? (rows + 63) / 64 : Layout::groups;
    q_barriers.begin(groups);
    k_barriers.begin(groups);
    v_barriers.begin(groups);
    show_barriers();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    give_registers<Block::fetching>();
    sm90_fetch(Layout::queries(), maps.q, h, shape.cu_q[s] + first, a.q_row(s, first, h), a.q_stride,
               query_count - first, d, &q_barriers.full[0]);
    Place place;
    for (int start = begin; start < seen.y; start += tile_keys, place.next()) {
      k_barriers.await_empty(place);
      sm90_fetch(Layout::tile(place.stage, 0), maps.k, kv, shape.cu_k[s] + start, a.k_row(s, start, kv), a.k_stride,
                 key_count - start, d, &k_barriers.full[place.stage]);
      v_barriers.await_empty(place);
      sm90_fetch(Layout::tile(place.stage, 1), maps.v, kv, shape.cu_k[s] + start, a.v_row(s, start, kv), a.v_stride,
                 key_count - start, d, &v_barriers.full[place.stage]);
    }
  } else {
    take_registers<Block::multiplying>();
    const int warp = sm90_warp() - 4, lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4,
              group_row = warp / 4 * 64, row = warp * 16;
    if (first + group_row >= query_count) return;  // the barriers do not count this group
    float o[D / 8][4] = {}, largest[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    const float factor = a.scale * log2_e;
    const auto hide = [&](float(&score)[tile_keys / 8][4], int start) {
      if (start >= seen.z && start + tile_keys <= seen.w) return;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int2 sees = ranges[row + g + 8 * r];
        const int low = sees.x - start - 2 * t, high = sees.y - start - 2 * t;
#pragma unroll
        for (int n = 0; n < tile_keys / 8; ++n)
#pragma unroll
          for (int e = 0; e < 2; ++e)
            if (const int j = 8 * n + e; j < low || j >= high) score[n][2 * r + e] = -INFINITY;
      }
    };
    q_barriers.await_full({});
    if (begin < seen.y) {
      float score[tile_keys / 8][4], shrink[2];
      std::uint32_t p[tile_keys / 16][4];
      Place place;
      k_barriers.await_full(place);
      order_registers();
      sm90_multiply<T>(score, Layout::queries(), group_row, Layout::tile(place.stage, 0));
      end_products();
      await_products<0>();
      k_barriers.done(place);
      hide(score, begin);
      half_weigh(score, largest, sum, shrink, factor);  // no values yet to shrink
#pragma unroll
      for (int x = 0; x < tile_keys / 16; ++x) as_left<T>(p[x], score[2 * x], score[2 * x + 1]);
      for (int start = begin + tile_keys; start < seen.y; start += tile_keys) {
        Place next = place;
        next.next();
        k_barriers.await_full(next);
        order_registers();
        sm90_multiply<T>(score, Layout::queries(), group_row, Layout::tile(next.stage, 0));
        end_products();
        v_barriers.await_full(place);
        order_registers();
        sm90_multiply<T>(o, p, Layout::tile(place.stage, 1));
        end_products();
        await_products<1>();
        k_barriers.done(next);
        hide(score, start);
        half_weigh(score, largest, sum, shrink, factor);
        await_products<0>();
        v_barriers.done(place);
        half_shrink(o, shrink);
#pragma unroll
        for (int x = 0; x < tile_keys / 16; ++x) as_left<T>(p[x], score[2 * x], score[2 * x + 1]);
        place = next;
      }
      v_barriers.await_full(place);
      order_registers();
      sm90_multiply<T>(o, p, Layout::tile(place.stage, 1));
      end_products();
      await_products<0>();
    }
    meet(1 + warp / 4, 128);  // all four warps are done with the queries' place, where the results pass through
    if (first + row >= query_count) return;
    float inverse[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      sum[r] += __shfl_xor_sync(0xFFFFFFFFu, sum[r], 1);
      sum[r] += __shfl_xor_sync(0xFFFFFFFFu, sum[r], 2);
      inverse[r] = sum[r] == 0 ? 0.0f : 1 / sum[r];
      if (const int i = first + row + g + 8 * r; a.lse && t == 0 && i < query_count)
        a.lse[a.statistic(s, i, h)] = sum[r] == 0 ? INFINITY : largest[r] * factor * ln_2 + logf(sum[r]);
    }
    sm90_store<T>(Layout::queries(), row, o, inverse[0], inverse[1],
                  {a.o + (shape.cu_q[s] + first + row) * a.o_stride + h * d, false}, a.o_stride,
                  query_count - first - row, d, aligned >> 3 & 1);
  }
#endif
}

}  // namespace cloze::kernels::cuda
