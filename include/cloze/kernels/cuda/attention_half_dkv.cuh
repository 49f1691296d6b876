// The gradients of keys and values on tensor cores: a warp keeps 16 keys and walks over the queries. Scores are
// computed transposed, so that probabilities and their gradients are left operands of the next products as they stand
// in registers. Where one block holds all keys of a sequence it has the gradient of the queries, too: five products in
// all, not seven.
#pragma once

#include <cloze/kernels/cuda/attention_half_dq.cuh>

namespace cloze::kernels::cuda {

/// Where a block of `Warps` times 16 keys has its tiles, in bytes of shared memory.
template <int D, int Warps, bool Whole>
struct HalfKeysLayout {
  static constexpr int keys = 16 * Warps;
  static constexpr int stages = Whole ? 1 : 2;
  /// Keys and values stay in registers; they pass through the second stage of the queries.
  static constexpr bool keep = D <= 64;
  static constexpr bool through_stage = keep && !Whole && keys == half_grad_rows;
  static constexpr int stage_bytes = 2 * HalfTile<D>::bytes(half_grad_rows);
  static constexpr int key_place = through_stage ? stage_bytes : stages * stage_bytes;
  static constexpr int score_place = key_place + 2 * HalfTile<D>::bytes(keys);
  static constexpr int bytes = score_place + (Whole ? HalfTile<half_grad_rows>::bytes(keys) : 0);
};

/// Grid: [tiles of keys, key heads]. Whole: a tile is all keys of its sequence, and `dots` are computed here.
template <class T, int D, int Warps, bool Whole, bool General>
__global__ void __launch_bounds__(Warps * 32, 1)
    attention_half_dkv(const __grid_constant__ AttentionDevice<T> a, unsigned aligned) {
  using Layout = HalfKeysLayout<D, Warps, Whole>;
  constexpr int rows = half_grad_rows, key_rows = Layout::keys;
  __shared__ float lse[Layout::stages][rows], dots[Layout::stages][rows];
  __shared__ int2 ranges[Layout::stages][rows];
  const AttentionShape& shape = a.shape;
  const auto [s, first] = shape.k_tiles[blockIdx.x];
  const int kv = static_cast<int>(blockIdx.y), d = shape.head_size;
  const int query_count = shape.queries(s), key_count = shape.keys(s);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4,
            t = lane % 4;
  const int row = warp * 16, key = first + row;
  const bool awake = key < key_count;
  const HalfTile<D> keys{dynamic_shared() + Layout::key_place}, values{keys.data + HalfTile<D>::bytes(key_rows)};
  const HalfTile<rows> scores{dynamic_shared() + Layout::score_place};
  const auto stage = [](int number, int which) {
    return HalfTile<D>{dynamic_shared() + Layout::stage_bytes * number + HalfTile<D>::bytes(rows) * which};
  };
  const int tiles = (query_count + rows - 1) / rows, steps = tiles * shape.group;
  // A step is a tile of queries of one head. The first one from `step` on that sees some of the keys:
  const auto next = [&](int from) {
    while (!Whole && shape.bounded && from < steps) {
      const int4 seen = half_tile_seen(shape, s, from % tiles * rows, rows);
      if (seen.x < first + key_rows && seen.y > first) break;
      ++from;
    }
    return from;
  };
  const auto load = [&](int which, int number) {
    const int h = kv * shape.group + which / tiles, start = which % tiles * rows;
    stage(number, 0).load(a.q_row(s, start, h), a.q_stride, rows, query_count - start, d, aligned & 1);
    stage(number, 1).load(a.grad_o_row(s, start, h), a.o_stride, rows, query_count - start, d, aligned >> 3 & 1);
    end_copies();
    for (int x = static_cast<int>(threadIdx.x); x < rows; x += Warps * 32) {
      const int i = start + x;
      lse[number][x] = i < query_count ? a.lse[a.statistic(s, i, h)] * log2_e : INFINITY;
      if (!Whole) dots[number][x] = i < query_count ? a.dots[a.statistic(s, i, h)] : 0.0f;
      if (shape.bounded) ranges[number][x] = shape.seen(s, i);
    }
    for (int e = static_cast<int>(threadIdx.x); Whole && e < 4 * rows; e += Warps * 32) {  // four threads a row
      const int x = e / 4, i = start + x;
      float sum = 0;
      if (i < query_count) {
        const long long at = (shape.cu_q[s] + i) * a.o_stride + h * d;
        for (int c = e % 4; c < d; c += 4) sum += widen(a.grad_o[at + c]) * widen(a.o[at + c]);
      }
      sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 1);
      sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 2);
      if (e % 4 == 0) dots[number][x] = sum;
    }
  };
  int step = next(0), number = 0;
  keys.load(a.k_row(s, first, kv), a.k_stride, key_rows, key_count - first, d, aligned >> 1 & 1);
  values.load(a.v_row(s, first, kv), a.v_stride, key_rows, key_count - first, d, aligned >> 2 & 1);
  end_copies();
  if (step < steps) load(step, 0);
  std::uint32_t k_left[Layout::keep ? D / 16 : 1][4], v_left[Layout::keep ? D / 16 : 1][4];
  if constexpr (Layout::keep) {
    await_copies<0>();
    __syncthreads();
#pragma unroll
    for (int k = 0; k < D / 16; ++k) {
      keys.left(k_left[k], row, 16 * k);
      values.left(v_left[k], row, 16 * k);
    }
  }
  float dk[D / 8][4] = {}, dv[D / 8][4] = {};
  const float factor = a.scale * log2_e, kept = General ? static_cast<float>(shape.dropout.scale) : 1.0f;
  while (step < steps) {
    await_copies<0>();
    __syncthreads();
    const int now = step, h = kv * shape.group + now / tiles, start = now % tiles * rows;
    step = next(step + 1);
    if (Layout::stages == 2 && step < steps) load(step, number ^ 1);
    const HalfTile<D> queries = stage(number, 0), grad_o = stage(number, 1);
    const bool masked = shape.bounded || first + key_rows > key_count;
#pragma unroll(D <= 96 ? 4 : 1)  // wider heads need the registers
    for (int x = 0; x < rows / 16; ++x) {
      if (!awake || start + 16 * x >= query_count) break;
      float score[2][4] = {}, grad[2][4] = {};
#pragma unroll
      for (int k = 0; k < D / 16; ++k) {
        constexpr bool again = !Layout::keep;
        std::uint32_t b[4];
        if (again) keys.left(k_left[0], row, 16 * k);
        queries.right(b, 16 * k, 16 * x);
        mma<T>(score[0], k_left[again ? 0 : k], b[0], b[1]);
        mma<T>(score[1], k_left[again ? 0 : k], b[2], b[3]);
        if (again) values.left(v_left[0], row, 16 * k);
        grad_o.right(b, 16 * k, 16 * x);
        mma<T>(grad[0], v_left[again ? 0 : k], b[0], b[1]);
        mma<T>(grad[1], v_left[again ? 0 : k], b[2], b[3]);
      }
      std::uint32_t drawn[2] = {~0u, ~0u};  // of keys g and g + 8: a bit for each of the 16 queries
      if constexpr (General)
        if (shape.drops()) {
          const std::uint32_t block = dropout_block(shape, s, h, start + 16 * x, key);
          drawn[0] = __shfl_sync(0xFFFFFFFFu, block, g);
          drawn[1] = __shfl_sync(0xFFFFFFFFu, block, g + 8);
        }
#pragma unroll
      for (int n = 0; n < 2; ++n)
#pragma unroll
        for (int c = 0; c < 2; ++c) {
          const int q = 16 * x + 8 * n + 2 * t + c, i = start + q;
          const float log_sum = lse[number][q], dot = dots[number][q];
          const int2 sees = masked && shape.bounded ? ranges[number][q] : make_int2(0, key_count);
          int position = 0;
          if constexpr (General)
            if (a.bias && i < query_count) position = shape.position(s, i);
#pragma unroll
          for (int r = 0; r < 2; ++r) {
            const int j = key + g + 8 * r, e = 2 * r + c;
            float power = score[n][e] * factor - log_sum;
            if constexpr (General)
              if (a.bias && i < query_count && j < key_count) power += a.bias_at(s, h, i, position, j) * log2_e;
            if (masked && (j < sees.x || j >= sees.y)) power = -INFINITY;
            const float probability = exp2_approximately(power);
            float z = 1.0f;
            if constexpr (General) z = drawn[r] >> (8 * n + 2 * t + c) & 1 ? kept : 0.0f;
            score[n][e] = probability * z;
            grad[n][e] = probability * (grad[n][e] * z - dot);
          }
        }
      std::uint32_t p[4], ds[4];
      as_left<T>(p, score[0], score[1]);
      as_left<T>(ds, grad[0], grad[1]);
#pragma unroll
      for (int n = 0; n < D / 16; ++n) {
        std::uint32_t b[4];
        grad_o.right_transposed(b, 16 * x, 16 * n);
        mma<T>(dv[2 * n], p, b[0], b[1]);
        mma<T>(dv[2 * n + 1], p, b[2], b[3]);
        queries.right_transposed(b, 16 * x, 16 * n);
        mma<T>(dk[2 * n], ds, b[0], b[1]);
        mma<T>(dk[2 * n + 1], ds, b[2], b[3]);
      }
      if constexpr (Whole)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          *reinterpret_cast<std::uint32_t*>(scores.at(row + g + e % 2 * 8, 2 * x + e / 2) + 4 * t) = ds[e];
    }
    __syncthreads();
    if constexpr (Whole) {
      // dq = ds · k: the warps share 64 queries, and with eight of them the columns as well.
      constexpr int share = D / (Warps / 4), columns = share > 64 ? share / 2 : share;  // more at once would spill
      const int query = warp % 4 * 16;
#pragma unroll 1
      for (int column = warp / 4 * share; column < (warp / 4 + 1) * share; column += columns) {
        if (!a.dq.data || start + query >= query_count) break;
        float dq[columns / 8][4] = {};
#pragma unroll 1
        for (int k = 0; k < key_count; k += 16) {
          std::uint32_t left[4], b[4];
          scores.left_transposed(left, query, k);
#pragma unroll
          for (int n = 0; n < columns / 16; ++n) {
            keys.right_transposed(b, k, column + 16 * n);
            mma<T>(dq[2 * n], left, b[0], b[1]);
            mma<T>(dq[2 * n + 1], left, b[2], b[3]);
          }
        }
        const int i = start + query;
        half_store_rows<T, D, columns>(grad_o, query, column, dq, a.scale, a.scale,
                                       {a.dq.data + (shape.cu_q[s] + i) * a.q_stride + h * d, a.dq.add}, a.q_stride,
                                       query_count - i, d, aligned >> 4 & 1);
      }
      __syncthreads();
      if (step < steps) load(step, 0);
    }
    if (Layout::stages == 2) number ^= 1;
  }
  await_copies<0>();
  __syncthreads();
  if (!awake) return;
  const long long at = shape.cu_k[s] + key;
  if (a.dk.data)
    half_store_rows<T, D, D>(keys, row, 0, dk, a.scale, a.scale, {a.dk.data + at * a.k_stride + kv * d, a.dk.add},
                             a.k_stride, key_count - key, d, aligned >> 5 & 1);
  if (a.dv.data)
    half_store_rows<T, D, D>(values, row, 0, dv, 1.0f, 1.0f, {a.dv.data + at * a.v_stride + kv * d, a.dv.add},
                             a.v_stride, key_count - key, d, aligned >> 6 & 1);
}

}  // namespace cloze::kernels::cuda
