// The forward pass of attention on Cpu: one task of it.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <cloze/kernels/cpu/attention_bias.hpp>
#include <cloze/kernels/cpu/attention_span.hpp>
#include <cloze/kernels/cpu/attention_tile.hpp>
#include <cloze/kernels/cpu/scratch.hpp>

namespace cloze::kernels::detail {

/// The end of rows whose last tile this is: their sums become the factors of the output, shrunk what came before, and
/// log Σ exp(scores) is kept. Arrays have room for whole batches.
template <class T>
void finish_rows(Index count, const T* maximum, T* sum, T* shrink, T* lse) {
  using B = xsimd::batch<T>;
  constexpr Index lanes = static_cast<Index>(B::size);
  for (Index i = 0; i < count; i += lanes) {
    const B total = B::load_unaligned(sum + i);
    const auto none = total == B(T(0));
    const B factor = xsimd::select(none, B(T(0)), B(T(1)) / total);
    (B::load_unaligned(shrink + i) * factor).store_unaligned(shrink + i);
    // One logarithm a row: xsimd 8's does not compile without optimisation on AVX-512.
    if (lse)
      for (Index r = i; r < i + lanes; ++r)
        lse[r] = sum[r] == T(0) ? std::numeric_limits<T>::infinity() : maximum[r] + std::log(sum[r]);
    factor.store_unaligned(sum + i);
  }
}

template <class T>
void attention_forward_task(const AttentionArgs<T>& a, const AttentionTask& task) {
  using P = Panels<T>;
  using Cursor = ScratchCursor<T>;
  const AttentionLayout& l = a.layout;
  const Index s = task.sequence, d = l.head_size, group = l.heads / l.kv_heads, keys = l.keys(s);
  const Index queries = task.end - task.begin;
  const Index rows = std::min(attention_rows, queries), columns = std::min(attention_keys, keys);
  if (queries == 0) return;
  const bool online = keys > attention_keys;  // several tiles of keys: states live between them, sums in the output
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
  const auto each_tile = [&](auto&& body) {
    for (Index h = task.kv_head * group; h < (task.kv_head + 1) * group; ++h)
      for (Index from = task.begin; from < task.end; from += attention_rows) {
        const Index count = std::min(attention_rows, task.end - from);
        body(h, from, count, attention_span(l, s, from, from + count));
      }
  };
  each_tile([&](Index h, Index from, Index count, KeyRange span) {  // rows that see nothing
    if (!span.empty()) return;
    for (Index row = l.cu_q[s] + from; row < l.cu_q[s] + from + count; ++row) {
      std::fill_n(a.o + row * a.o_stride + h * d, d, T(0));
      if (a.lse) a.lse[row * l.heads + h] = std::numeric_limits<T>::infinity();
    }
  });
  const KeyRange reach = attention_span(l, s, task.begin, task.end);
  for (Index block = 0; block < reach.end; block += attention_keys) {
    const KeyRange packed = span_within(reach, block, block + attention_keys);
    if (packed.empty()) continue;
    const Index kv_row = l.cu_k[s] + packed.begin, kv_column = task.kv_head * d;
    pack_transposed(a.k + kv_row * a.k_stride + kv_column, a.k_stride, packed.end - packed.begin, d, keys_t);
    pack_panels(a.v + kv_row * a.v_stride + kv_column, a.v_stride, packed.end - packed.begin, d, T(1), values);
    each_tile([&](Index h, Index from, Index count, KeyRange span) {
      const KeyRange tile = span_within(span, packed.begin, packed.end);
      if (span.empty() || tile.empty()) return;
      const Index row = l.cu_q[s] + from, first = tile.begin, n = tile.end - first, offset = first - packed.begin;
      const bool opens = span.begin >= block, closes = span.end <= block + attention_keys;
      const Index state = online ? (h - task.kv_head * group) * padded + (from - task.begin) : 0;
      T* const maximum = maxima + state;
      T* const sum = sums + state;
      if (opens) {
        std::fill_n(maximum, attention_rows, -std::numeric_limits<T>::infinity());
        std::fill_n(sum, attention_rows, T(0));
      }
      pack_panels(a.q + row * a.q_stride + h * d, a.q_stride, count, d, a.scale, q);
      panel_product<false>(count, n, d, q, panels_from_column(keys_t, offset), scores, false);
      if (a.bias.values) add_attention_bias(a, s, h, from, count, first, n, scores);
      alignas(64) T shrink[attention_rows], finish[attention_rows], lse[attention_rows];
      const auto seen = [&](Index i) { return range_in_tile(l.seen(s, from + i), first, n); };
      softmax_tile(
          scores, count, n, seen, [&](Index i) { return factors.row(h, l.position(s, from + i), first, n); }, maximum,
          sum, shrink);
      if (closes) {
        std::copy_n(sum, attention_rows, finish);
        finish_rows(count, maximum, finish, shrink, a.lse ? lse : nullptr);
        for (Index i = 0; a.lse && i < count; ++i) a.lse[(row + i) * l.heads + h] = lse[i];
      } else {
        std::fill_n(finish, attention_rows, T(1));
      }
      panel_product<false>(count, d, n, scores, panels_from_row(values, offset), o, false);
      unpack_panels(
          o, count, d, a.o + row * a.o_stride + h * d, a.o_stride, !opens, [&](Index i) { return finish[i]; },
          [&](Index i) { return shrink[i]; });
    });
  }
}

}  // namespace cloze::kernels::detail
