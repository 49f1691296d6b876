// Attention on tensor cores (mma.sync, sm_80 and later), after FlashAttention-2 (Dao, arXiv 2307.08691): a warp keeps
// its queries' sums in registers, probabilities go from one product to the next without leaving them.
#pragma once

#include <cloze/kernels/cuda/attention_half_tile.cuh>

namespace cloze::kernels::cuda {

inline constexpr int half_warps = 4;

/// Keys of a tile. Sums of a head of more than 64 for 32 queries a warp leave registers for 32 keys only: 64 spill.
template <int D, int M>
inline constexpr int half_keys = D* M > 128 ? 32 : 64;

/// Query rows of a block whose warps take M times 16.
template <int M>
inline constexpr int half_queries = half_warps * 16 * M;

template <int D, int M>
constexpr std::size_t half_forward_shared() {
  return static_cast<std::size_t>(HalfTile<D>::bytes(half_queries<M> + 2 * half_keys<D, M>));
}

/// A warp's queries and what it knows of them: M times 16 rows.
template <class T, int D, int M>
struct HalfQueries {
  static constexpr int keys_at_once = half_keys<D, M>;
  static constexpr bool keep = D * M <= 128;  // in registers; else loaded again for every tile of keys

  float o[M][D / 8][4] = {};
  float largest[M][2], sum[M][2] = {};
  std::uint32_t q[keep ? M : 1][keep ? D / 16 : 1][4];

  __device__ HalfQueries() {
    for (auto& pair : largest) pair[0] = pair[1] = -INFINITY;
  }

  /// score = q kᵀ for `chunks` times 16 keys.
  __device__ void scores(float (&score)[M][keys_at_once / 8][4], const HalfTile<D>& queries, int row,
                         const HalfTile<D>& keys, int chunks) {
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int n = 0; n < keys_at_once / 8; ++n) score[m][n][0] = score[m][n][1] = score[m][n][2] = score[m][n][3] = 0;
#pragma unroll
    for (int k = 0; k < D / 16; ++k) {
      std::uint32_t again[M][4];
      if constexpr (!keep) {
#pragma unroll
        for (int m = 0; m < M; ++m) queries.left(again[m], row + 16 * m, 16 * k);
      }
#pragma unroll
      for (int x = 0; x < keys_at_once / 16; ++x) {
        if (x >= chunks) break;
        std::uint32_t b[4];
        keys.right(b, 16 * k, 16 * x);
#pragma unroll
        for (int m = 0; m < M; ++m) {
          const auto& left = [&]() -> const std::uint32_t(&)[4] {
            if constexpr (keep)
              return q[m][k];
            else
              return again[m];
          }();
          mma<T>(score[m][2 * x], left, b[0], b[1]);
          mma<T>(score[m][2 * x + 1], left, b[2], b[3]);
        }
      }
    }
  }

  /// Scores to weights; the sums follow.
  __device__ void weigh(float (&score)[M][keys_at_once / 8][4], float factor) {
#pragma unroll
    for (int m = 0; m < M; ++m) {
      float shrink[2];
      half_weigh(score[m], largest[m], sum[m], shrink, factor);
      half_shrink(o[m], shrink);
    }
  }

  /// o += weights · v.
  __device__ void take(const float (&weights)[M][keys_at_once / 8][4], const HalfTile<D>& values, int chunks) {
#pragma unroll
    for (int x = 0; x < keys_at_once / 16; ++x) {
      if (x >= chunks) break;
      std::uint32_t p[M][4];
#pragma unroll
      for (int m = 0; m < M; ++m) as_left<T>(p[m], weights[m][2 * x], weights[m][2 * x + 1]);
#pragma unroll
      for (int n = 0; n < D / 16; ++n) {
        std::uint32_t b[4];
        values.right_transposed(b, 16 * x, 16 * n);
#pragma unroll
        for (int m = 0; m < M; ++m) {
          mma<T>(o[m][2 * n], p[m], b[0], b[1]);
          mma<T>(o[m][2 * n + 1], p[m], b[2], b[3]);
        }
      }
    }
  }
};

/// Grid: [tiles of queries, heads]. General: with a bias or dropout, or where the scale is not positive.
template <class T, int D, int M, bool General>
__global__ void __launch_bounds__(half_warps * 32, 1)
    attention_half_forward(const __grid_constant__ AttentionDevice<T> a, unsigned aligned) {
  constexpr int rows = half_queries<M>, tile_keys = half_keys<D, M>;
  const HalfTile<D> queries{dynamic_shared()}, keys{queries.data + HalfTile<D>::bytes(rows)},
      values{keys.data + HalfTile<D>::bytes(tile_keys)};
  const AttentionShape& shape = a.shape;
  const auto [s, first] = shape.q_tiles[blockIdx.x];
  const int h = static_cast<int>(blockIdx.y), kv = a.kv_head(h), d = shape.head_size;
  const int query_count = shape.queries(s), key_count = shape.keys(s);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4,
            t = lane % 4;
  const int row = warp * 16 * M;  // of the tile, the warp's first
  const bool awake = first + row < query_count;
  const int4 seen = half_tile_seen(shape, s, first, rows);
  const int begin = seen.x / tile_keys * tile_keys;
  const auto load_keys = [&](int start) {
    keys.load(a.k_row(s, start, kv), a.k_stride, tile_keys, key_count - start, d, aligned >> 1 & 1);
    end_copies();
  };
  queries.load(a.q_row(s, first, h), a.q_stride, rows, query_count - first, d, aligned & 1);
  if (begin < seen.y) load_keys(begin);
  const float factor = General ? 1.0f : a.scale * log2_e;
  HalfQueries<T, D, M> mine;
  for (int start = begin; start < seen.y; start += tile_keys) {
    await_copies<0>();
    __syncthreads();
    values.load(a.v_row(s, start, kv), a.v_stride, tile_keys, key_count - start, d, aligned >> 2 & 1);
    end_copies();
    if constexpr (HalfQueries<T, D, M>::keep)
      if (start == begin && awake)
#pragma unroll
        for (int m = 0; m < M; ++m)
#pragma unroll
          for (int k = 0; k < D / 16; ++k) queries.left(mine.q[m][k], row + 16 * m, 16 * k);
    const int chunks = (seen.y - start + 15) / 16;
    float score[M][tile_keys / 8][4];
    if (awake) {
      mine.scores(score, queries, row, keys, chunks);
      if constexpr (General) {
#pragma unroll
        for (int m = 0; m < M; ++m)
#pragma unroll
          for (int r = 0; r < 2; ++r) {
            const int i = first + row + 16 * m + g + 8 * r, position = i < query_count ? shape.position(s, i) : 0;
#pragma unroll
            for (int n = 0; n < tile_keys / 8; ++n)
#pragma unroll
              for (int e = 0; e < 2; ++e) {
                const int j = start + 8 * n + 2 * t + e;
                const float bias = a.bias && i < query_count && j < key_count ? a.bias_at(s, h, i, position, j) : 0.0f;
                score[m][n][2 * r + e] = (score[m][n][2 * r + e] * a.scale + bias) * log2_e;
              }
          }
      }
      if (start < seen.z || start + tile_keys > seen.w) {
#pragma unroll
        for (int m = 0; m < M; ++m)
#pragma unroll
          for (int r = 0; r < 2; ++r) {
            const int2 sees = shape.seen(s, first + row + 16 * m + g + 8 * r);
#pragma unroll
            for (int n = 0; n < tile_keys / 8; ++n)
#pragma unroll
              for (int e = 0; e < 2; ++e)
                if (const int j = start + 8 * n + 2 * t + e; j < sees.x || j >= sees.y)
                  score[m][n][2 * r + e] = -INFINITY;
          }
      }
    }
    await_copies<0>();
    __syncthreads();
    if (start + tile_keys < seen.y) load_keys(start + tile_keys);
    if (!awake) continue;
    mine.weigh(score, factor);
    if constexpr (General)
      if (shape.drops())
#pragma unroll
        for (int m = 0; m < M; ++m)
#pragma unroll
          for (int x = 0; x < tile_keys / 16; ++x) {
            const std::uint32_t kept = dropout_block(shape, s, h, first + row + 16 * m, start + 16 * x);
#pragma unroll
            for (int c = 0; c < 4; ++c) {  // columns 2t, 2t + 1, 8 + 2t, 9 + 2t of the chunk
              const std::uint32_t bits = __shfl_sync(0xFFFFFFFFu, kept, c / 2 * 8 + 2 * t + c % 2) >> g;
              if (!(bits & 1)) score[m][2 * x + c / 2][c % 2] = 0;
              if (!(bits >> 8 & 1)) score[m][2 * x + c / 2][2 + c % 2] = 0;
            }
          }
    mine.take(score, values, chunks);
  }
  await_copies<0>();
  __syncthreads();
  if (!awake) return;
  const float scale = General && shape.drops() ? static_cast<float>(shape.dropout.scale) : 1.0f;
#pragma unroll
  for (int m = 0; m < M; ++m) {
    float inverse[2];
    const int i = first + row + 16 * m;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float sum = mine.sum[m][r];
      sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 1);
      sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 2);
      inverse[r] = sum == 0 ? 0.0f : scale / sum;
      if (const int at = i + g + 8 * r; a.lse && t == 0 && at < query_count)
        a.lse[a.statistic(s, at, h)] = sum == 0 ? INFINITY : mine.largest[m][r] * factor * ln_2 + logf(sum);
    }
    half_store_rows<T, D, D>(queries, row + 16 * m, 0, mine.o[m], inverse[0], inverse[1],
                             {a.o + (shape.cu_q[s] + i) * a.o_stride + h * d, false}, a.o_stride, query_count - i, d,
                             aligned >> 3 & 1);
  }
}

}  // namespace cloze::kernels::cuda
