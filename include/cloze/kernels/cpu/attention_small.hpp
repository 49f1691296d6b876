// Attention on Cpu over a few keys: queries, values and gradients are read and written where they are.
#pragma once

#include <cloze/kernels/cpu/attention_forward.hpp>

namespace cloze::kernels::detail {

/// Whether a sequence is one tile, all of it seen by every row, without a bias. Such a sequence is one task, or one by
/// queries and one by keys, each over all of it: the number of threads does not change the way.
template <class T>
bool attention_is_small(const AttentionArgs<T>& a, Index sequence) {
  const AttentionLayout& l = a.layout;
  const Index n = l.keys(sequence);
  return n > 0 && n <= attention_rows && l.queries(sequence) <= attention_rows && l.sees_all() && !a.bias.values &&
         l.head_size % Panels<T>::width == 0;
}

/// As attention_forward_task: the keys alone are packed, with the scale, and the last product divides by the sums.
template <class T>
void small_attention_forward(const AttentionArgs<T>& a, const AttentionTask& task) {
  using P = Panels<T>;
  using Cursor = ScratchCursor<T>;
  const AttentionLayout& l = a.layout;
  const Index s = task.sequence, d = l.head_size, group = l.heads / l.kv_heads, n = l.keys(s), count = l.queries(s);
  const Index row = l.cu_q[s], kv_at = task.kv_head * d;
  if (count == 0) return;
  Cursor scratch(thread_scratch<T>(Cursor::room(P::size(d, n)) + Cursor::room(P::size(count, n))));
  const P keys_t = scratch.panels(d, n), scores = scratch.panels(count, n);
  AttentionFactors<T> factors(l.dropout, s);
  pack_transposed(a.k + l.cu_k[s] * a.k_stride + kv_at, a.k_stride, n, d, keys_t, a.scale);
  const Rows<const T> values{a.v + l.cu_k[s] * a.v_stride + kv_at, a.v_stride};
  for (Index h = task.kv_head * group; h < (task.kv_head + 1) * group; ++h) {
    panel_product<false>(count, n, d, Rows<const T>{a.q + row * a.q_stride + h * d, a.q_stride}, keys_t, scores, false);
    alignas(64) T maximum[attention_rows], sum[attention_rows] = {}, shrink[attention_rows], lse[attention_rows];
    std::fill_n(maximum, attention_rows, -std::numeric_limits<T>::infinity());
    softmax_tile(
        scores, count, n,
        [&](Index) {
          return KeyRange{0, n};
        },
        [&](Index i) { return factors.row(h, l.position(s, i), 0, n); }, maximum, sum, shrink);
    finish_rows(count, maximum, sum, shrink, a.lse ? lse : nullptr);
    for (Index i = 0; a.lse && i < count; ++i) a.lse[(row + i) * l.heads + h] = lse[i];
    panel_product<false>(count, d, n, scores, values, Rows<T>{a.o + row * a.o_stride + h * d, a.o_stride}, false, sum);
  }
}

/// As attention_backward_task: keys and values are packed for the scores and their gradients; the products that lead to
/// dq, dk and dv write them in place.
template <class T>
void small_attention_backward(const AttentionBackwardArgs<T>& b, const AttentionTask& task) {
  using P = Panels<T>;
  using Cursor = ScratchCursor<T>;
  const AttentionArgs<T>& a = b.forward;
  const AttentionLayout& l = a.layout;
  const Index s = task.sequence, d = l.head_size, group = l.heads / l.kv_heads, n = l.keys(s), count = l.queries(s);
  const Index row = l.cu_q[s], kv_row = l.cu_k[s], kv_at = task.kv_head * d;
  Cursor scratch(thread_scratch<T>(2 * Cursor::room(P::size(d, n)) + 2 * Cursor::room(P::size(count, n))));
  const P keys_t = scratch.panels(d, n), values_t = scratch.panels(d, n);
  const P scores = scratch.panels(count, n), grad = scratch.panels(count, n);
  AttentionFactors<T> factors(l.dropout, s);
  const Rows<const T> k{a.k + kv_row * a.k_stride + kv_at, a.k_stride};
  pack_transposed(k.data, a.k_stride, n, d, keys_t, a.scale);
  pack_transposed(a.v + kv_row * a.v_stride + kv_at, a.v_stride, n, d, values_t);
  alignas(64) T scale[attention_rows];
  std::fill_n(scale, attention_rows, a.scale);
  for (Index h = task.kv_head * group; h < (task.kv_head + 1) * group; ++h) {
    const bool more = h > task.kv_head * group;
    const Rows<const T> q{a.q + row * a.q_stride + h * d, a.q_stride};
    const Rows<const T> grad_o{b.grad_o + row * a.o_stride + h * d, a.o_stride};
    panel_product<false>(count, n, d, q, keys_t, scores, false);
    panel_product<false>(count, n, d, grad_o, values_t, grad, false);
    alignas(64) T lse[attention_rows], dot[attention_rows] = {};
    for (Index i = 0; i < count; ++i) lse[i] = a.lse[(row + i) * l.heads + h];
    softmax_backward_tile(
        scores, grad, count, n,
        [&](Index) {
          return KeyRange{0, n};
        },
        [&](Index i) { return factors.row(h, l.position(s, i), 0, n); }, lse, dot, true);
    if (b.dv.data)
      panel_product<true>(n, d, count, scores, grad_o, Rows<T>{b.dv.data + kv_row * a.v_stride + kv_at, a.v_stride},
                          b.dv.add || more);
    if (b.dk.data)
      panel_product<true>(n, d, count, grad, q, Rows<T>{b.dk.data + kv_row * a.k_stride + kv_at, a.k_stride},
                          b.dk.add || more, scale);
    if (b.dq.data)
      panel_product<false>(count, d, n, grad, k, Rows<T>{b.dq.data + row * a.q_stride + h * d, a.q_stride}, b.dq.add,
                           scale);
  }
}

}  // namespace cloze::kernels::detail
