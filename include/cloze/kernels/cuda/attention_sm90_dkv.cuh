// The gradients of keys and values for Hopper: a warpgroup keeps 64 keys and walks over the queries. Scores and their
// gradients come transposed, keys by queries, so that they go to the next products without leaving registers.
#pragma once

#include <cloze/kernels/cuda/attention_sm90_tile.cuh>

namespace cloze::kernels::cuda {

/// Where a block has its tiles.
template <int D>
struct Sm90Keys {
  static constexpr int groups = 2, keys = 64 * groups, queries = D <= 64 ? 128 : 64, stages = 2;
  using Block = Sm90Block<groups>;
  using Keys = Sm90Tile<keys, D>;
  using Queries = Sm90Tile<queries, D>;
  static constexpr int bytes = 2 * Keys::bytes + 2 * stages * Queries::bytes;

  /// which: 0 for keys, 1 for values.
  __device__ static Keys tile(int which) { return {dynamic_shared() + which * Keys::bytes}; }
  /// which: 0 for queries, 1 for the gradient of o.
  __device__ static Queries stage(int number, int which) {
    return {dynamic_shared() + 2 * Keys::bytes + (2 * number + which) * Queries::bytes};
  }
};

/// What else the multiplying warps need to know of a tile of queries.
template <int Rows>
struct Sm90QueryFacts {
  float lse[Rows], dots[Rows];
  int2 ranges[Rows];  // the keys that each sees, where `masked`
  bool masked, last;  // last: there are no more tiles, and nothing in this one
};

/// Grid: [tiles of keys, key heads]. Without bias and dropout.
template <class T, int D>
__global__ void __launch_bounds__(Sm90Keys<D>::Block::threads, 1)
    attention_sm90_dkv(const __grid_constant__ AttentionDevice<T> a, const __grid_constant__ Sm90Maps maps,
                       unsigned aligned) {
#if CLOZE_CUDA_SM90A
  using Layout = Sm90Keys<D>;
  using Block = typename Layout::Block;
  using Place = Sm90Place<Layout::stages>;
  constexpr int rows = Layout::queries;
  __shared__ Sm90QueryFacts<rows> facts[Layout::stages];
  __shared__ Sm90Barriers<1> k_barriers, v_barriers;
  __shared__ Sm90Barriers<Layout::stages> q_barriers, grad_barriers;
  const AttentionShape& shape = a.shape;
  const auto [s, first] = shape.k_tiles[blockIdx.x];
  const int kv = static_cast<int>(blockIdx.y), d = shape.head_size;
  const int query_count = shape.queries(s), key_count = shape.keys(s);
  if (threadIdx.x == 0) {
    const int count = key_count - first, groups = count < Layout::keys ? (count + 63) / 64 : Layout::groups;
    k_barriers.begin(groups);
    v_barriers.begin(groups);
    q_barriers.begin(groups);
    grad_barriers.begin(groups);
    show_barriers();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    give_registers<Block::fetching>();
    const int x = static_cast<int>(threadIdx.x), key_row = shape.cu_k[s] + first;
    sm90_fetch(Layout::tile(0), maps.k, kv, key_row, a.k_row(s, first, kv), a.k_stride, key_count - first, d,
               &k_barriers.full[0]);
    sm90_fetch(Layout::tile(1), maps.v, kv, key_row, a.v_row(s, first, kv), a.v_stride, key_count - first, d,
               &v_barriers.full[0]);
    Place place;
    for (int h = kv * shape.group; h < (kv + 1) * shape.group; ++h)
      for (int start = 0; start < query_count; start += rows) {
        bool masked = false;
        if (shape.bounded) {
          const int4 seen = half_tile_seen(shape, s, start, rows);
          const int end = first + Layout::keys < key_count ? first + Layout::keys : key_count;
          if (seen.x >= end || seen.y <= first) continue;
          masked = seen.z > first || seen.w < end;
        }
        q_barriers.await_empty(place);
        auto& known = facts[place.stage];
        if (x < rows) {  // rows behind the last one get weights of zero
          const int i = start + x;
          known.lse[x] = i < query_count ? a.lse[a.statistic(s, i, h)] * log2_e : INFINITY;
          known.dots[x] = i < query_count ? a.dots[a.statistic(s, i, h)] : 0.0f;
          if (masked) known.ranges[x] = shape.seen(s, i);
        }
        if (x == 0) {
          known.masked = masked;
          known.last = false;
        }
        const int query_row = shape.cu_q[s] + start;
        sm90_fetch(Layout::stage(place.stage, 0), maps.q, h, query_row, a.q_row(s, start, h), a.q_stride,
                   query_count - start, d, &q_barriers.full[place.stage]);
        sm90_fetch(Layout::stage(place.stage, 1), maps.grad_o, h, query_row, a.grad_o_row(s, start, h), a.o_stride,
                   query_count - start, d, &grad_barriers.full[place.stage]);
        place.next();
      }
    q_barriers.await_empty(place);
    if (x == 0) facts[place.stage].last = true;
    __syncwarp();
    if (x % 32 == 0) arrive(&q_barriers.full[place.stage]);
  } else {
    take_registers<Block::multiplying>();
    const int warp = sm90_warp() - 4, lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4,
              group_row = warp / 4 * 64, row = warp * 16, key = first + row;
    if (first + group_row >= key_count) return;  // the barriers do not count this group
    float dk[D / 8][4] = {}, dv[D / 8][4] = {};
    const float factor = a.scale * log2_e;
    k_barriers.await_full({});
    v_barriers.await_full({});
    for (Place place;; place.next()) {
      q_barriers.await_full(place);
      const auto& known = facts[place.stage];
      if (known.last) break;
      const auto queries = Layout::stage(place.stage, 0), grad_o = Layout::stage(place.stage, 1);
      float score[rows / 8][4], grad[rows / 8][4];
      order_registers();
      sm90_multiply<T>(score, Layout::tile(0), group_row, queries);
      end_products();
      grad_barriers.await_full(place);
      order_registers();
      sm90_multiply<T>(grad, Layout::tile(1), group_row, grad_o);
      end_products();
      await_products<1>();
      if (known.masked)
#pragma unroll
        for (int n = 0; n < rows / 8; ++n)
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const int2 sees = known.ranges[8 * n + 2 * t + e];
#pragma unroll
            for (int r = 0; r < 2; ++r)
              if (const int j = key + g + 8 * r; j < sees.x || j >= sees.y) score[n][2 * r + e] = -INFINITY;
          }
#pragma unroll
      for (int n = 0; n < rows / 8; ++n) {
        const float2 lse = *reinterpret_cast<const float2*>(&known.lse[8 * n + 2 * t]);
#pragma unroll
        for (int e = 0; e < 4; ++e)
          score[n][e] = exp2_approximately(fmaf(score[n][e], factor, -(e % 2 ? lse.y : lse.x)));
      }
      await_products<0>();
      std::uint32_t p[rows / 16][4], ds[rows / 16][4];
#pragma unroll
      for (int x = 0; x < rows / 16; ++x) {
#pragma unroll
        for (int n = 2 * x; n < 2 * x + 2; ++n) {
          const float2 dots = *reinterpret_cast<const float2*>(&known.dots[8 * n + 2 * t]);
#pragma unroll
          for (int e = 0; e < 4; ++e) grad[n][e] = score[n][e] * (grad[n][e] - (e % 2 ? dots.y : dots.x));
        }
        as_left<T>(p[x], score[2 * x], score[2 * x + 1]);
        as_left<T>(ds[x], grad[2 * x], grad[2 * x + 1]);
      }
      order_registers();
      sm90_multiply<T>(dv, p, grad_o);
      sm90_multiply<T>(dk, ds, queries);
      end_products();
      await_products<0>();
      q_barriers.done(place);
    }
    meet(1 + warp / 4, 128);  // all four warps are done with the keys' place, where the results pass through
    if (key >= key_count) return;
    const long long at = shape.cu_k[s] + key;
    if (a.dk.data)
      sm90_store<T>(Layout::tile(0), row, dk, a.scale, a.scale, {a.dk.data + at * a.k_stride + kv * d, a.dk.add},
                    a.k_stride, key_count - key, d, aligned >> 5 & 1);
    if (a.dv.data)
      sm90_store<T>(Layout::tile(1), row, dv, 1.0f, 1.0f, {a.dv.data + at * a.v_stride + kv * d, a.dv.add}, a.v_stride,
                    key_count - key, d, aligned >> 6 & 1);
  }
#endif
}

}  // namespace cloze::kernels::cuda
