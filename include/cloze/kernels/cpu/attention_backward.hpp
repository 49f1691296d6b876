// The backward pass of attention on Cpu: one task of it.
#pragma once

#include <cloze/kernels/cpu/attention_bias.hpp>
#include <cloze/kernels/cpu/attention_span.hpp>
#include <cloze/kernels/cpu/attention_tile.hpp>
#include <cloze/kernels/cpu/scratch.hpp>

namespace cloze::kernels::detail {

/// A task owns dq and the bias gradient of its queries, or dk and dv of its keys, or both where it is a whole one, for
/// the whole group of heads. Where a tile holds all keys of the sequence, Σ P dP of each row is taken from it, and left
/// in `dots` [query rows, heads] for the tasks `by_keys` that come later; longer sequences take do·o, which is the same
/// up to rounding.
template <class T>
void attention_backward_task(const AttentionBackwardArgs<T>& b, const AttentionTask& task, const BiasSums<T>& bias_sums,
                             T* dots, bool by_keys) {
  using P = Panels<T>;
  using Cursor = ScratchCursor<T>;
  const AttentionArgs<T>& a = b.forward;
  const AttentionLayout& l = a.layout;
  const Index s = task.sequence, d = l.head_size, group = l.heads / l.kv_heads, keys = l.keys(s);
  const Index rows = std::min(attention_rows, task.end - task.begin);
  const Index columns = std::min(attention_keys, task.last_key - task.first_key);
  Cursor scratch(thread_scratch<T>(2 * Cursor::room(P::size(d, columns)) + 3 * Cursor::room(P::size(columns, d)) +
                                   3 * Cursor::room(P::size(rows, d)) + 2 * Cursor::room(P::size(rows, columns))));
  const P keys_t = scratch.panels(d, columns), values_t = scratch.panels(d, columns), k = scratch.panels(columns, d);
  const P dk = scratch.panels(columns, d), dv = scratch.panels(columns, d);
  const P q = scratch.panels(rows, d), grad_o = scratch.panels(rows, d), dq = scratch.panels(rows, d);
  const P scores = scratch.panels(rows, columns), grad = scratch.panels(rows, columns);
  AttentionFactors<T> factors(l.dropout, s);
  const bool whole = keys <= attention_keys;  // a tile holds all keys
  const auto one = [](Index) { return T(1); };
  const auto each_tile = [&](auto&& body) {
    for (Index h = task.kv_head * group; h < (task.kv_head + 1) * group; ++h)
      for (Index from = task.begin; from < task.end; from += attention_rows) {
        const Index count = std::min(attention_rows, task.end - from);
        body(h, from, count, attention_span(l, s, from, from + count));
      }
  };
  for (Index h = task.kv_head * group; h < (task.kv_head + 1) * group; ++h)
    clear_pair_gradients(b, s, h, task.begin, task.end);
  each_tile([&](Index h, Index from, Index count, KeyRange span) {  // rows that see nothing
    if (!span.empty() || !b.dq.data || b.dq.add) return;
    for (Index row = l.cu_q[s] + from; row < l.cu_q[s] + from + count; ++row)
      std::fill_n(b.dq.data + row * a.q_stride + h * d, d, T(0));
  });
  // Tiles end at multiples of attention_keys, wherever the task begins: dq is summed in the same order by any cut.
  for (Index block = task.first_key; block < task.last_key;) {
    const Index block_end = std::min(task.last_key, (block / attention_keys + 1) * attention_keys);
    const Index size = block_end - block, kv_row = l.cu_k[s] + block, kv_column = task.kv_head * d;
    const T* k_from = a.k + kv_row * a.k_stride + kv_column;
    pack_transposed(k_from, a.k_stride, size, d, keys_t);
    pack_transposed(a.v + kv_row * a.v_stride + kv_column, a.v_stride, size, d, values_t);
    if (b.dq.data) pack_panels(k_from, a.k_stride, size, d, T(1), k);
    if (b.dk.data) std::fill_n(dk.data, P::size(columns, d), T(0));
    if (b.dv.data) std::fill_n(dv.data, P::size(columns, d), T(0));
    each_tile([&](Index h, Index from, Index count, KeyRange span) {
      const KeyRange tile = span_within(span, block, block_end);
      if (span.empty() || tile.empty()) return;
      const Index row = l.cu_q[s] + from, first = tile.begin, n = tile.end - first, offset = first - block;
      pack_panels(a.q + row * a.q_stride + h * d, a.q_stride, count, d, a.scale, q);
      pack_panels(b.grad_o + row * a.o_stride + h * d, a.o_stride, count, d, T(1), grad_o);
      panel_product<false>(count, n, d, q, panels_from_column(keys_t, offset), scores, false);
      if (a.bias.values) add_attention_bias(a, s, h, from, count, first, n, scores);
      panel_product<false>(count, n, d, grad_o, panels_from_column(values_t, offset), grad, false);
      alignas(64) T lse[attention_rows], dot[attention_rows] = {};
      for (Index i = 0; i < count; ++i) {
        const Index at = (row + i) * a.o_stride + h * d;
        lse[i] = a.lse[(row + i) * l.heads + h];
        if (whole && by_keys) dot[i] = dots[(row + i) * l.heads + h];
        if (!whole) dot[i] = sum_over<T>(d, [&](auto load) { return load(a.o + at) * load(b.grad_o + at); });
      }
      softmax_backward_tile(
          scores, grad, count, n, [&](Index i) { return range_in_tile(l.seen(s, from + i), first, n); },
          [&](Index i) { return factors.row(h, l.position(s, from + i), first, n); }, lse, dot, whole && !by_keys);
      for (Index i = 0; dots && whole && !by_keys && i < count; ++i) dots[(row + i) * l.heads + h] = dot[i];
      if (b.dv.data) panel_product<true>(n, d, count, scores, grad_o, panels_from_row(dv, offset), true);
      if (b.dk.data) panel_product<true>(n, d, count, grad, q, panels_from_row(dk, offset), true);
      if (b.dbias.data) add_bias_gradient(b, s, h, from, count, first, n, grad, bias_sums.of(s, h, from));
      if (!b.dq.data) return;
      panel_product<false>(count, d, n, grad, panels_from_row(k, offset), dq, false);
      unpack_panels(
          dq, count, d, b.dq.data + row * a.q_stride + h * d, a.q_stride, b.dq.add || span.begin < block,
          [&](Index) { return a.scale; }, one);
    });
    if (b.dk.data)
      unpack_panels(dk, size, d, b.dk.data + kv_row * a.k_stride + kv_column, a.k_stride, b.dk.add, one, one);
    if (b.dv.data)
      unpack_panels(dv, size, d, b.dv.data + kv_row * a.v_stride + kv_column, a.v_stride, b.dv.add, one, one);
    block = block_end;
  }
}

}  // namespace cloze::kernels::detail
