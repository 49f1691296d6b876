// What attention kernels on a GPU see of their arguments, and the rules that all of them share: which keys a query
// sees, its bias, its dropout.
#pragma once

#include <cmath>

#include <cloze/kernels/attention_args.hpp>
#include <cloze/kernels/cuda/ptx.cuh>

namespace cloze::kernels::cuda {

/// What kernels compute in for elements T: double for double, else float.
template <class T>
using Wide = decltype(widen(T{}));

/// A tile of rows of one sequence.
struct AttentionTile {
  int sequence, first;
};

/// AttentionLayout with lists in the GPU's memory.
struct AttentionShape {
  int sequences, heads, kv_heads, group, head_size;
  const int* cu_q;
  const int* cu_k;
  const int* q_positions;        // or null
  const AttentionTile* q_tiles;  // of query rows; those with the most keys first
  const AttentionTile* k_tiles;  // of key rows
  bool last_to_last, bounded;
  long long before, after;
  DropoutRule dropout;

  __device__ int queries(int s) const { return cu_q[s + 1] - cu_q[s]; }
  __device__ int keys(int s) const { return cu_k[s + 1] - cu_k[s]; }
  __device__ int position(int s, int i) const {
    if (q_positions) return q_positions[cu_q[s] + i];
    return last_to_last ? i + keys(s) - queries(s) : i;
  }
  /// The keys [x, y) that query row i sees; none where there is no such row.
  __device__ int2 seen(int s, int i) const {
    const int all = keys(s);
    if (i >= queries(s)) return make_int2(0, 0);
    if (!bounded) return make_int2(0, all);
    const long long p = position(s, i);
    const int end = clamp(p + after + 1, 0, all);
    return make_int2(clamp(p - before, 0, end), end);
  }
  __device__ bool drops() const { return dropout.threshold != DropoutRule::always; }

  __device__ static int clamp(long long x, int low, int high) {
    return x < low ? low : x > high ? high : static_cast<int>(x);
  }
};

/// AttentionArgs or AttentionBackwardArgs. Strides are in elements.
template <class T>
struct AttentionDevice {
  using W = Wide<T>;

  AttentionShape shape;
  W scale;
  const T *q, *k, *v;
  long long q_stride, k_stride, v_stride;
  const T* bias;  // or null
  long long bias_columns, bias_reach;
  const long long* bias_pairs;  // null: a bias by distance
  T* o;
  long long o_stride;
  W* lse;  // or null in a forward pass

  const T* grad_o;
  GradTarget<T> dq, dk, dv;
  T* dbias;          // by pair: the sums are added to; null: not wanted
  W* distance_sums;  // by distance: [slots, heads, columns] partial sums, zeros at first; null: not wanted
  W* dots;           // [query rows, heads] Σ grad_o · o

  __device__ int kv_head(int h) const { return h / shape.group; }
  __device__ const T* q_row(int s, int i, int h) const {
    return q + (shape.cu_q[s] + i) * q_stride + h * shape.head_size;
  }
  __device__ const T* k_row(int s, int j, int kv) const {
    return k + (shape.cu_k[s] + j) * k_stride + kv * shape.head_size;
  }
  __device__ const T* v_row(int s, int j, int kv) const {
    return v + (shape.cu_k[s] + j) * v_stride + kv * shape.head_size;
  }
  __device__ const T* grad_o_row(int s, int i, int h) const {
    return grad_o + (shape.cu_q[s] + i) * o_stride + h * shape.head_size;
  }
  __device__ long long statistic(int s, int i, int h) const {
    return static_cast<long long>(shape.cu_q[s] + i) * shape.heads + h;
  }
  /// Where the bias of query row i, at `position`, and key j lies.
  __device__ long long bias_column(int s, int i, int position, int j) const {
    if (bias_pairs) return bias_pairs[s] + static_cast<long long>(i) * shape.keys(s) + j;
    const long long distance = static_cast<long long>(j) - position;
    return (distance < -bias_reach ? -bias_reach : distance > bias_reach ? bias_reach : distance) + bias_reach;
  }
  __device__ W bias_at(int s, int h, int i, int position, int j) const {
    return widen(bias[h * bias_columns + bias_column(s, i, position, j)]);
  }
  /// What dropout multiplies a probability with.
  __device__ W factor(int s, int h, int position, int j) const {
    if (!shape.drops()) return W(1);
    return AttentionDropout::keeps(shape.dropout, s, h, position, j) ? static_cast<W>(shape.dropout.scale) : W(0);
  }
};

/// Puts a gradient where it belongs.
template <class T>
__device__ __forceinline__ void put(const GradTarget<T>& target, long long at, Wide<T> value) {
  target.data[at] = narrow<T>(target.add ? widen(target.data[at]) + value : value);
}

}  // namespace cloze::kernels::cuda
