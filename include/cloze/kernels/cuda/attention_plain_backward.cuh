// The gradients of attention on a GPU without tensor cores. Two kernels compute the probabilities again: one keeps
// queries and sums dq and the bias's gradient, one keeps keys and sums dk and dv. Every sum has one owner and one
// order.
#pragma once

#include <cloze/kernels/cuda/attention_plain_forward.cuh>

namespace cloze::kernels::cuda {

/// dots = Σ grad_o · o over a head. Grid: [query rows]; one warp a head.
template <class T>
__global__ void __launch_bounds__(128) attention_dots(const __grid_constant__ AttentionDevice<T> a) {
  const int lane = static_cast<int>(threadIdx.x) % 32, d = a.shape.head_size;
  const long long row = blockIdx.x;
  for (int h = static_cast<int>(threadIdx.x) / 32; h < a.shape.heads; h += 4) {
    Wide<T> sum = 0;
    for (int c = lane; c < d; c += 32)
      sum += widen(a.grad_o[row * a.o_stride + h * d + c]) * widen(a.o[row * a.o_stride + h * d + c]);
    for (int bit = 16; bit; bit /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, bit);
    if (lane == 0) a.dots[row * a.shape.heads + h] = sum;
  }
}

/// Adds a tile of score gradients to a vector by distance. A run of rows at successive positions has equal distances
/// along its diagonals: thread x sums diagonal x of the run, from the top down.
template <class T>
__device__ void plain_add_diagonals(const AttentionDevice<T>& a, const Wide<T>* scores, const int* positions, int rows,
                                    int start, Wide<T>* sums, Wide<T>* bins) {
  using W = Wide<T>;
  const int x = static_cast<int>(threadIdx.x);
  for (int first = 0, last; first < rows; first = last) {
    last = first + 1;
    while (last < rows && positions[last] == positions[last - 1] + 1) ++last;
    const int diagonals = plain_rows + last - first - 1;
    const auto column = [&](int n) {
      const long long distance = static_cast<long long>(start) - positions[first] + n - (last - first - 1);
      return (distance < -a.bias_reach  ? -a.bias_reach
              : distance > a.bias_reach ? a.bias_reach
                                        : distance) +
             a.bias_reach;
    };
    if (x < diagonals) {
      W sum = W(0);
      for (int r = first; r < last; ++r)
        if (const int c = x - (last - 1 - r); c >= 0 && c < plain_rows) sum += scores[r * plain_score_stride + c];
      bins[x] = sum;
    }
    __syncthreads();
    if (x < diagonals && (x == 0 || column(x) != column(x - 1))) {  // the ends of the vector take several diagonals
      W sum = bins[x];
      for (int n = x + 1; n < diagonals && column(n) == column(x); ++n) sum += bins[n];
      sums[column(x)] += sum;
    }
    __syncthreads();
  }
}

/// dq, and the gradient of the bias. Grid: [slots, heads]; a slot takes every slots-th tile of queries, so that each
/// has sums by distance of its own.
template <class T, int D>
__global__ void __launch_bounds__(plain_threads, 1)
    attention_plain_dq(const __grid_constant__ AttentionDevice<T> a, int tiles) {
  using W = Wide<T>;
  __shared__ int positions[plain_rows];
  __shared__ W bins[2 * plain_rows];
  W* q = dynamic_shared<W>();
  W* grad_o = q + plain_tile<D>;
  W* k = grad_o + plain_tile<D>;
  W* v = k + plain_tile<D>;
  W* ds = v + plain_tile<D>;
  const AttentionShape& shape = a.shape;
  const int h = static_cast<int>(blockIdx.y), d = shape.head_size;
  const int row = static_cast<int>(threadIdx.x) / plain_lanes, lane = static_cast<int>(threadIdx.x) % plain_lanes;
  for (int tile = static_cast<int>(blockIdx.x); tile < tiles; tile += static_cast<int>(gridDim.x)) {
    const auto [s, first] = shape.q_tiles[tile];
    const int i = first + row, queries = shape.queries(s), keys = shape.keys(s);
    const int2 mine = shape.seen(s, i), all = plain_tile_seen(shape, s, first);
    const int position = i < queries ? shape.position(s, i) : 0;
    const W lse = i < queries ? a.lse[a.statistic(s, i, h)] : W(INFINITY);
    const W dot = i < queries ? a.dots[a.statistic(s, i, h)] : W(0);
    __syncthreads();
    if (lane == 0) positions[row] = position;
    plain_load<D>(q, a.q_row(s, first, h), a.q_stride, queries - first, d);
    plain_load<D>(grad_o, a.grad_o_row(s, first, h), a.o_stride, queries - first, d);
    W dq[D / plain_lanes] = {};
    for (int start = all.x / plain_rows * plain_rows; start < all.y; start += plain_rows) {
      __syncthreads();
      plain_load<D>(k, a.k_row(s, start, a.kv_head(h)), a.k_stride, keys - start, d);
      plain_load<D>(v, a.v_row(s, start, a.kv_head(h)), a.v_stride, keys - start, d);
      __syncthreads();
      W score[plain_scores], grad_p[plain_scores];
      plain_products<D>(q, k, row, lane, score);
      plain_products<D>(grad_o, v, row, lane, grad_p);
      for (int n = 0; n < plain_scores; ++n) {
        const int j = start + lane + plain_lanes * n;
        W grad = W(0);
        if (j >= mine.x && j < mine.y) {
          const W biased = score[n] * a.scale + (a.bias ? a.bias_at(s, h, i, position, j) : W(0));
          grad = std::exp(biased - lse) * (grad_p[n] * a.factor(s, h, position, j) - dot);
          if (a.dbias) {
            T& sum = a.dbias[h * a.bias_columns + a.bias_column(s, i, position, j)];
            sum = narrow<T>(widen(sum) + grad);
          }
        }
        ds[row * plain_score_stride + lane + plain_lanes * n] = grad;
      }
      __syncwarp();
      if (a.dq.data) plain_accumulate<D>(ds, k, row, lane, dq);
      if (a.distance_sums) {
        __syncthreads();
        plain_add_diagonals(a, ds, positions, queries - first < plain_rows ? queries - first : plain_rows, start,
                            a.distance_sums + (blockIdx.x * static_cast<long long>(shape.heads) + h) * a.bias_columns,
                            bins);
      }
    }
    if (a.dq.data && i < queries)
      for (int n = 0; n < D / plain_lanes; ++n)
        if (const int c = lane + plain_lanes * n; c < d)
          put(a.dq, (shape.cu_q[s] + i) * a.q_stride + h * d + c, dq[n] * a.scale);
  }
}

/// dk and dv. Grid: [tiles of keys, key heads]; a block takes all query heads that share its keys.
template <class T, int D>
__global__ void __launch_bounds__(plain_threads, 1) attention_plain_dkv(const __grid_constant__ AttentionDevice<T> a) {
  using W = Wide<T>;
  __shared__ W lse[plain_rows], dots[plain_rows];
  __shared__ int2 ranges[plain_rows];
  __shared__ int positions[plain_rows];
  W* q = dynamic_shared<W>();
  W* grad_o = q + plain_tile<D>;
  W* k = grad_o + plain_tile<D>;
  W* v = k + plain_tile<D>;
  W* ds = v + plain_tile<D>;
  W* p = ds + plain_rows * plain_score_stride;
  const AttentionShape& shape = a.shape;
  const auto [s, first] = shape.k_tiles[blockIdx.x];
  const int kv = static_cast<int>(blockIdx.y), d = shape.head_size;
  const int row = static_cast<int>(threadIdx.x) / plain_lanes, lane = static_cast<int>(threadIdx.x) % plain_lanes;
  const int j = first + row, queries = shape.queries(s), keys = shape.keys(s);
  plain_load<D>(k, a.k_row(s, first, kv), a.k_stride, keys - first, d);
  plain_load<D>(v, a.v_row(s, first, kv), a.v_stride, keys - first, d);
  W dk[D / plain_lanes] = {}, dv[D / plain_lanes] = {};
  for (int h = kv * shape.group; h < (kv + 1) * shape.group; ++h)
    for (int start = 0; start < queries; start += plain_rows) {
      const int2 all = plain_tile_seen(shape, s, start);
      if (all.y <= first || all.x >= first + plain_rows) continue;  // the same in all threads
      __syncthreads();
      plain_load<D>(q, a.q_row(s, start, h), a.q_stride, queries - start, d);
      plain_load<D>(grad_o, a.grad_o_row(s, start, h), a.o_stride, queries - start, d);
      if (threadIdx.x < plain_rows) {
        const int x = static_cast<int>(threadIdx.x), i = start + x;
        ranges[x] = shape.seen(s, i);
        lse[x] = i < queries ? a.lse[a.statistic(s, i, h)] : W(INFINITY);
        dots[x] = i < queries ? a.dots[a.statistic(s, i, h)] : W(0);
        positions[x] = i < queries ? shape.position(s, i) : 0;
      }
      __syncthreads();
      W score[plain_scores], grad_p[plain_scores];
      plain_products<D>(k, q, row, lane, score);
      plain_products<D>(v, grad_o, row, lane, grad_p);
      for (int n = 0; n < plain_scores; ++n) {
        const int x = lane + plain_lanes * n, i = start + x;
        W weight = W(0), grad = W(0);
        if (j >= ranges[x].x && j < ranges[x].y) {
          const W biased = score[n] * a.scale + (a.bias ? a.bias_at(s, h, i, positions[x], j) : W(0));
          const W probability = std::exp(biased - lse[x]), factor = a.factor(s, h, positions[x], j);
          weight = probability * factor;
          grad = probability * (grad_p[n] * factor - dots[x]);
        }
        p[row * plain_score_stride + x] = weight;
        ds[row * plain_score_stride + x] = grad;
      }
      __syncwarp();
      if (a.dv.data) plain_accumulate<D>(p, grad_o, row, lane, dv);
      if (a.dk.data) plain_accumulate<D>(ds, q, row, lane, dk);
    }
  if (j >= keys) return;
  for (int n = 0; n < D / plain_lanes; ++n)
    if (const int c = lane + plain_lanes * n; c < d) {
      if (a.dk.data) put(a.dk, (shape.cu_k[s] + j) * a.k_stride + kv * d + c, dk[n] * a.scale);
      if (a.dv.data) put(a.dv, (shape.cu_k[s] + j) * a.v_stride + kv * d + c, dv[n]);
    }
}

/// The slots' sums by distance, one after the other. One thread a column of a head.
template <class T>
__global__ void __launch_bounds__(256)
    attention_sum_distances(const Wide<T>* sums, int slots, long long columns, GradTarget<T> dbias) {
  const long long c = static_cast<long long>(blockIdx.x) * 256 + threadIdx.x;
  if (c >= columns) return;
  Wide<T> sum = 0;
  for (int slot = 0; slot < slots; ++slot) sum += sums[slot * columns + c];
  put(dbias, c, sum);
}

}  // namespace cloze::kernels::cuda
