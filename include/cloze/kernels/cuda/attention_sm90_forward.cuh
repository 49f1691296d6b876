// Attention's forward pass in bfloat16 for Hopper (sm_90a): warpgroups of 128 threads multiply tiles of shared memory
// asynchronously (wgmma). Written after FlashAttention-3's layout of the work (Shah et al., arXiv 2407.08608), without
// its producer warps: rows arrive by cp.async, which stops at the end of a sequence, as packed batches need.
#pragma once

#include <cloze/kernels/cuda/attention_half.cuh>
#include <cloze/kernels/cuda/ptx_sm90.cuh>

namespace cloze::kernels::cuda {

/// Where a block has its tiles. Heads are cut into pages of 64 columns, the width of wgmma's 128-byte rows.
template <int D>
struct Sm90Layout {
  static constexpr int groups = D <= 64 ? 3 : 2;  // warpgroups; three have 168 registers a thread, enough for D = 64
  static constexpr int rows = 64 * groups, keys = 128, pages = D / 64;
  static constexpr int query_page = HalfTile<64>::bytes(rows), key_page = HalfTile<64>::bytes(keys);
  static constexpr int stage = 2 * pages * key_page;
  static constexpr int bytes = pages * query_page + 2 * stage;
};

/// Grid: [tiles of queries, heads]. Without bias and dropout, for a positive scale.
template <int D>
__global__ void __launch_bounds__(Sm90Layout<D>::groups * 128, 1)
    attention_sm90_forward(const __grid_constant__ AttentionDevice<BFloat16> a, unsigned aligned) {
  using Layout = Sm90Layout<D>;
  constexpr int rows = Layout::rows, tile_keys = Layout::keys, pages = Layout::pages;
  const AttentionShape& shape = a.shape;
  const auto [s, first] = shape.q_tiles[blockIdx.x];
  const int h = static_cast<int>(blockIdx.y), kv = a.kv_head(h), d = shape.head_size;
  const int query_count = shape.queries(s), key_count = shape.keys(s);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4,
            t = lane % 4;
  const int group_row = warp / 4 * 64, row = warp * 16;
  const bool awake = first + group_row < query_count;  // the warpgroup
  const int4 seen = half_tile_seen(shape, s, first, rows);
  const int begin = seen.x / tile_keys * tile_keys;
  const auto query_page = [](int page) { return HalfTile<64>{dynamic_shared() + page * Layout::query_page}; };
  const auto page_of = [](int stage, int which, int page) {
    return HalfTile<64>{dynamic_shared() + pages * Layout::query_page + stage * Layout::stage +
                        (which * pages + page) * Layout::key_page};
  };
  const auto load = [&](int start, int stage) {
    if (start < seen.y)
      for (int page = 0; page < pages; ++page) {
        page_of(stage, 0, page)
            .load(a.k_row(s, start, kv) + 64 * page, a.k_stride, tile_keys, key_count - start, d - 64 * page,
                  aligned >> 1 & 1);
        page_of(stage, 1, page)
            .load(a.v_row(s, start, kv) + 64 * page, a.v_stride, tile_keys, key_count - start, d - 64 * page,
                  aligned >> 2 & 1);
      }
    end_copies();
  };
  for (int page = 0; page < pages; ++page)
    query_page(page).load(a.q_row(s, first, h) + 64 * page, a.q_stride, rows, query_count - first, d - 64 * page,
                          aligned & 1);
  load(begin, 0);
  float o[D / 8][4] = {}, largest[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  const float factor = a.scale * log2_e;
  int stage = 0;
  for (int start = begin; start < seen.y; start += tile_keys, stage ^= 1) {
    await_copies<0>();
    show_to_products();
    __syncthreads();  // the tile is there, and all are done with the one before
    load(start + tile_keys, stage ^ 1);
    if (!awake) continue;
    float score[tile_keys / 8][4];
    order_registers();
#pragma unroll
    for (int k = 0; k < D / 16; ++k)
      multiply_async<BFloat16>(score, tile_descriptor(query_page(k / 4).data + group_row * 128 + k % 4 * 32, 16, 1024),
                               tile_descriptor(page_of(stage, 0, k / 4).data + k % 4 * 32, 16, 1024), k != 0);
    end_products();
    await_products<0>();
    if (start < seen.z || start + tile_keys > seen.w) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int2 sees = shape.seen(s, first + row + g + 8 * r);
#pragma unroll
        for (int n = 0; n < tile_keys / 8; ++n)
#pragma unroll
          for (int e = 0; e < 2; ++e)
            if (const int j = start + 8 * n + 2 * t + e; j < sees.x || j >= sees.y) score[n][2 * r + e] = -INFINITY;
      }
    }
    half_weigh(score, o, largest, sum, factor);
    std::uint32_t p[tile_keys / 16][4];
#pragma unroll
    for (int x = 0; x < tile_keys / 16; ++x) as_left<BFloat16>(p[x], score[2 * x], score[2 * x + 1]);
    order_registers();
#pragma unroll
    for (int x = 0; x < tile_keys / 16; ++x)
      multiply_async<BFloat16>(o, p[x], tile_descriptor(page_of(stage, 1, 0).data + x * 2048, Layout::key_page, 1024));
    end_products();
    await_products<0>();
  }
  await_copies<0>();
  __syncthreads();
  if (!awake || first + row >= query_count) return;
  float inverse[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    sum[r] += __shfl_xor_sync(0xFFFFFFFFu, sum[r], 1);
    sum[r] += __shfl_xor_sync(0xFFFFFFFFu, sum[r], 2);
    inverse[r] = sum[r] == 0 ? 0.0f : 1 / sum[r];
    if (const int i = first + row + g + 8 * r; a.lse && t == 0 && i < query_count)
      a.lse[a.statistic(s, i, h)] = sum[r] == 0 ? INFINITY : largest[r] * factor * ln_2 + logf(sum[r]);
  }
  BFloat16* out = a.o + (shape.cu_q[s] + first + row) * a.o_stride + h * d;
#pragma unroll
  for (int page = 0; page < pages; ++page) {
    float part[8][4];
#pragma unroll
    for (int n = 0; n < 8; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) part[n][e] = o[8 * page + n][e];
    half_store_rows<BFloat16, 64, 64>(query_page(page), row, 0, part, inverse[0], inverse[1], {out + 64 * page, false},
                                      a.o_stride, query_count - first - row, d - 64 * page, aligned >> 3 & 1);
  }
}

/// Whether the kernel takes these arguments.
inline bool sm90_takes(const AttentionArgs<BFloat16>& a) { return !half_general(a) && a.layout.head_size <= 128; }

/// For GPUs of compute capability 9.0 and arguments that sm90_takes().
inline void attention_forward_sm90(const AttentionArgs<BFloat16>& a) {
  const auto run = [&](auto size) {
    constexpr int D = decltype(size)::value;
    using Layout = Sm90Layout<D>;
    const AttentionPlan plan(a.layout, nullptr, Layout::rows, Layout::keys);
    launch(&attention_sm90_forward<D>, dim3(plan.q_tiles, static_cast<unsigned>(a.layout.heads)),
           dim3(Layout::groups * 128), Layout::bytes, "attention", attention_device(a, plan), half_alignment(a));
  };
  if (a.layout.head_size <= 64)
    run(std::integral_constant<int, 64>());
  else
    run(std::integral_constant<int, 128>());
}

}  // namespace cloze::kernels::cuda
