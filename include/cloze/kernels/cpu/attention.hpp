// Attention on Cpu: per sequence and head, tiles of 64 queries by up to 512 keys, with products and softmax in vector
// code. The method is FlashAttention-2's (Dao, arXiv 2307.08691); tiles this wide need no rescaling for usual prompts.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cpu/attention_tasks.hpp>
#include <cloze/kernels/cpu/attention_tile.hpp>
#include <cloze/kernels/cpu/scratch.hpp>

namespace cloze::kernels {
namespace detail {

/// Hands out parts of a block of scratch, each on a cache line of its own.
template <class T>
class ScratchCursor {
 public:
  explicit ScratchCursor(T* at) : at_(at) {}
  static Index room(Index size) {
    return (size * static_cast<Index>(sizeof(T)) + 63) / 64 * 64 / static_cast<Index>(sizeof(T));
  }
  T* take(Index size) { return std::exchange(at_, at_ + room(size)); }
  Panels<T> panels(Index rows, Index columns) { return {take(Panels<T>::size(rows, columns)), rows}; }

 private:
  T* at_;
};

/// Keys that the query rows [from, to) of a sequence see between them.
inline Index attention_reach(const AttentionLayout& l, Index s, Index from, Index to) {
  if (!l.causal) return l.keys(s);
  Index reach = 0;
  for (Index i = from; i < to; ++i) reach = std::max(reach, l.visible(s, i));
  return reach;
}

/// The forward pass of one task.
template <class T>
void attention_forward_task(const AttentionArgs<T>& a, const AttentionTask& task) {
  using P = Panels<T>;
  const AttentionLayout& l = a.layout;
  const Index s = task.sequence, d = l.head_size, group = l.heads / l.kv_heads, keys = l.keys(s);
  const Index rows = std::min(attention_rows, task.end - task.begin), columns = std::min(attention_keys, keys);
  const Index queries = task.end - task.begin;
  if (queries == 0) return;
  const bool online = keys > attention_keys;  // several tiles of keys: states live between them, sums in the output
  using Cursor = ScratchCursor<T>;
  // What each row has seen: maximum and sum, per head where tiles of keys follow each other.
  const Index padded = (queries + attention_rows - 1) / attention_rows * attention_rows;
  const Index states = online ? group * padded : attention_rows;
  Cursor scratch(thread_scratch<T>(Cursor::room(P::size(d, columns)) + Cursor::room(P::size(columns, d)) +
                                   2 * Cursor::room(P::size(rows, d)) + Cursor::room(P::size(rows, columns)) +
                                   2 * Cursor::room(states)));
  const P keys_t = scratch.panels(d, columns), values = scratch.panels(columns, d);
  const P q = scratch.panels(rows, d), o = scratch.panels(rows, d), scores = scratch.panels(rows, columns);
  T* const maxima = scratch.take(states);
  T* const sums = scratch.take(states);
  AttentionFactors<T> factors(l.dropout, s);

  for (Index first = 0; first == 0 || first < keys; first += attention_keys) {
    const Index block = std::min(attention_keys, keys - first), kv_row = l.cu_k[s] + first;
    pack_transposed(a.k + kv_row * a.k_stride + task.kv_head * d, a.k_stride, block, d, keys_t);
    pack_panels(a.v + kv_row * a.v_stride + task.kv_head * d, a.v_stride, block, d, T(1), values);
    for (Index h = task.kv_head * group; h < (task.kv_head + 1) * group; ++h)
      for (Index from = task.begin; from < task.end; from += attention_rows) {
        const Index count = std::min(attention_rows, task.end - from), row = l.cu_q[s] + from;
        const Index reach = attention_reach(l, s, from, from + count);
        if (first > 0 && reach <= first) continue;
        const bool last = reach <= first + block;
        const Index n = std::min(reach - first, block);
        const Index state = online ? (h - task.kv_head * group) * padded + (from - task.begin) : 0;
        T* const maximum = maxima + state;
        T* const sum = sums + state;
        if (first == 0) {
          std::fill_n(maximum, attention_rows, -std::numeric_limits<T>::infinity());
          std::fill_n(sum, attention_rows, T(0));
        }
        pack_panels(a.q + row * a.q_stride + h * d, a.q_stride, count, d, a.scale, q);
        panel_product<false>(count, n, d, q, keys_t, scores, false);
        T finish[attention_rows], shrink[attention_rows];  // factors of this tile's sums and of what came before
        softmax_tile(
            scores, count, n, [&](Index i) { return std::clamp<Index>(l.visible(s, from + i) - first, 0, n); },
            [&](Index i) { return factors.row(h, l.position(s, from + i), first, n); }, maximum, sum, shrink);
        for (Index i = 0; i < count; ++i) {
          finish[i] = !last ? T(1) : sum[i] == T(0) ? T(0) : T(1) / sum[i];
          shrink[i] *= finish[i];
        }
        panel_product<false>(count, d, n, scores, values, o, false);
        unpack_panels(
            o, count, d, a.o + row * a.o_stride + h * d, a.o_stride, first > 0, [&](Index i) { return finish[i]; },
            [&](Index i) { return shrink[i]; });
        if (last && a.lse)
          for (Index i = 0; i < count; ++i)
            a.lse[(row + i) * l.heads + h] =
                sum[i] == T(0) ? std::numeric_limits<T>::infinity() : maximum[i] + std::log(sum[i]);
      }
  }
}

/// The backward pass of one task: it owns these queries of the whole group of heads, and these keys and values.
template <class T>
void attention_backward_task(const AttentionBackwardArgs<T>& b, const AttentionTask& task) {
  using P = Panels<T>;
  const AttentionArgs<T>& a = b.forward;
  const AttentionLayout& l = a.layout;
  const Index s = task.sequence, d = l.head_size, group = l.heads / l.kv_heads, keys = l.keys(s);
  const Index rows = std::min(attention_rows, task.end), columns = std::min(attention_keys, keys);
  using Cursor = ScratchCursor<T>;
  Cursor scratch(thread_scratch<T>(2 * Cursor::room(P::size(d, columns)) + 3 * Cursor::room(P::size(columns, d)) +
                                   3 * Cursor::room(P::size(rows, d)) + 2 * Cursor::room(P::size(rows, columns))));
  const P keys_t = scratch.panels(d, columns), values_t = scratch.panels(d, columns), k = scratch.panels(columns, d);
  const P dk = scratch.panels(columns, d), dv = scratch.panels(columns, d);
  const P q = scratch.panels(rows, d), grad_o = scratch.panels(rows, d), dq = scratch.panels(rows, d);
  const P scores = scratch.panels(rows, columns), grad = scratch.panels(rows, columns);
  AttentionFactors<T> factors(l.dropout, s);
  const bool whole = keys <= attention_keys;  // a tile holds all keys
  const auto one = [](Index) { return T(1); };

  for (Index first = 0; first == 0 || first < keys; first += attention_keys) {
    const Index block = std::min(attention_keys, keys - first), kv_row = l.cu_k[s] + first;
    const T* k_from = a.k + kv_row * a.k_stride + task.kv_head * d;
    pack_transposed(k_from, a.k_stride, block, d, keys_t);
    pack_transposed(a.v + kv_row * a.v_stride + task.kv_head * d, a.v_stride, block, d, values_t);
    if (b.dq.data) pack_panels(k_from, a.k_stride, block, d, T(1), k);
    std::fill_n(dk.data, P::size(columns, d), T(0));
    std::fill_n(dv.data, P::size(columns, d), T(0));
    for (Index h = task.kv_head * group; h < (task.kv_head + 1) * group; ++h)
      for (Index from = 0; from < task.end; from += attention_rows) {
        const Index count = std::min(attention_rows, task.end - from), row = l.cu_q[s] + from;
        const Index n = std::clamp<Index>(attention_reach(l, s, from, from + count) - first, 0, block);
        if (first > 0 && n == 0) continue;
        pack_panels(a.q + row * a.q_stride + h * d, a.q_stride, count, d, a.scale, q);
        pack_panels(b.grad_o + row * a.o_stride + h * d, a.o_stride, count, d, T(1), grad_o);
        panel_product<false>(count, n, d, q, keys_t, scores, false);
        panel_product<false>(count, n, d, grad_o, values_t, grad, false);
        T lse[attention_rows], dot[attention_rows] = {};
        for (Index i = 0; i < count; ++i) {
          lse[i] = a.lse[(row + i) * l.heads + h];
          if (whole) continue;
          const Index at = (row + i) * a.o_stride + h * d;
          for (Index c = 0; c < d; ++c) dot[i] += a.o[at + c] * b.grad_o[at + c];
        }
        softmax_backward_tile(
            scores, grad, count, n, [&](Index i) { return std::clamp<Index>(l.visible(s, from + i) - first, 0, n); },
            [&](Index i) { return factors.row(h, l.position(s, from + i), first, n); }, lse, dot, whole);
        if (b.dv.data) panel_product<true>(n, d, count, scores, grad_o, dv, true);
        if (b.dk.data) panel_product<true>(n, d, count, grad, q, dk, true);
        if (!b.dq.data) continue;
        panel_product<false>(count, d, n, grad, k, dq, false);
        unpack_panels(
            dq, count, d, b.dq.data + row * a.q_stride + h * d, a.q_stride, b.dq.add || first > 0,
            [&](Index) { return a.scale; }, one);
      }
    if (b.dk.data)
      unpack_panels(dk, block, d, b.dk.data + kv_row * a.k_stride + task.kv_head * d, a.k_stride, b.dk.add, one, one);
    if (b.dv.data)
      unpack_panels(dv, block, d, b.dv.data + kv_row * a.v_stride + task.kv_head * d, a.v_stride, b.dv.add, one, one);
  }
}

}  // namespace detail

template <class T>
void attention_forward(Cpu, const AttentionArgs<T>& a) {
  detail::run_attention_tasks(detail::attention_tasks(a.layout, detail::attention_rows), a.layout.head_size,
                              [&](const detail::AttentionTask& task) { detail::attention_forward_task(a, task); });
}

template <class T>
void attention_backward(Cpu, const AttentionBackwardArgs<T>& b) {
  detail::run_attention_tasks(detail::attention_tasks(b.forward.layout, 0), b.forward.layout.head_size,
                              [&](const detail::AttentionTask& task) { detail::attention_backward_task(b, task); });
}

}  // namespace cloze::kernels
