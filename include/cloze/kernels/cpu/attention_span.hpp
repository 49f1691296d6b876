// What the forward and the backward pass of attention on Cpu share: scratch and spans of keys.
#pragma once

#include <utility>

#include <cloze/kernels/cpu/attention_tasks.hpp>
#include <cloze/kernels/cpu/panels.hpp>

namespace cloze::kernels::detail {

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

/// A range of keys that covers what the query rows [from, to) of a sequence see; empty where they see nothing.
inline KeyRange attention_span(const AttentionLayout& l, Index s, Index from, Index to) {
  if (l.sees_all()) return {0, from < to ? l.keys(s) : 0};
  KeyRange span{l.keys(s), 0};
  if (!l.q_positions && from < to) {  // both ends rise from row to row; rows that see nothing come first
    span.end = l.seen(s, to - 1).end;
    span.begin = l.seen(s, from).begin;
    return span;
  }
  for (Index i = from; i < to; ++i) {
    const KeyRange seen = l.seen(s, i);
    if (seen.empty()) continue;
    span.begin = std::min(span.begin, seen.begin);
    span.end = std::max(span.end, seen.end);
  }
  return span;
}

/// Where tiles may begin among the keys: at whole panels, and where the dropout of sixteen keys begins.
inline constexpr Index attention_align = 64;

/// The part of `span` in [first, last), its begin moved down to a multiple of attention_align, not below `first`.
inline KeyRange span_within(KeyRange span, Index first, Index last) {
  return {std::max(first, span.begin / attention_align * attention_align), std::min(span.end, last)};
}

/// `range` relative to the tile of keys [first, first + columns).
inline KeyRange range_in_tile(KeyRange range, Index first, Index columns) {
  return {std::clamp<Index>(range.begin - first, 0, columns), std::clamp<Index>(range.end - first, 0, columns)};
}

/// Panels from row r on, and from column c on (a multiple of the panel width).
template <class T>
Panels<T> panels_from_row(const Panels<T>& p, Index r) {
  return {p.data + r * Panels<T>::width, p.rows};
}
template <class T>
Panels<T> panels_from_column(const Panels<T>& p, Index c) {
  static_assert(attention_align % Panels<T>::width == 0);
  return {p.at(c / Panels<T>::width, 0), p.rows};
}

}  // namespace cloze::kernels::detail
