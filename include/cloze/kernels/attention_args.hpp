// Attention over packed sequences of uneven length: what the kernels need to know.
#pragma once

#include <algorithm>
#include <type_traits>

#include <cloze/core/dropout.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// Keys [begin, end) of a sequence.
struct KeyRange {
  Index begin, end;

  bool empty() const { return begin >= end; }
};

/// Which rows belong together, and how they see each other. Sequence s has the query rows [cu_q[s], cu_q[s + 1]) and
/// the key rows [cu_k[s], cu_k[s + 1]). Query head h reads key head h / (heads / kv_heads). Lists are on the host,
/// checked.
struct AttentionLayout {
  static constexpr Index all = Index{1} << 40;  // more keys than any sequence has

  Index sequences, heads, kv_heads, head_size;
  const Index* cu_q;         // [sequences + 1]
  const Index* cu_k;         // [sequences + 1]
  const Index* q_positions;  // [query rows] position of each query row in its sequence, or null: see position()
  bool last_to_last;         // where positions are not given: the last query stands at the last key
  Index before, after;       // a query at position p sees the keys [p - before, p + after]
  DropoutRule dropout;

  Index queries(Index s) const { return cu_q[s + 1] - cu_q[s]; }
  Index keys(Index s) const { return cu_k[s + 1] - cu_k[s]; }
  /// The position of query row i of sequence s. Not given: i, or counted from the last key back, which may be negative.
  Index position(Index s, Index i) const {
    if (q_positions) return q_positions[cu_q[s] + i];
    return last_to_last ? i + keys(s) - queries(s) : i;
  }
  bool sees_all() const { return before >= all && after >= all; }
  /// The keys that query row i sees.
  KeyRange seen(Index s, Index i) const {
    if (sees_all()) return {0, keys(s)};
    const Index p = position(s, i), end = std::clamp<Index>(p + after + 1, 0, keys(s));
    return {std::clamp<Index>(p - before, 0, end), end};
  }
};

/// A number added to every score. It depends on the head and either on the distance from query to key, or on both.
template <class T>
struct AttentionBias {
  const T* values = nullptr;     // [heads, columns]; null: none
  Index columns = 0;             // of each head
  const Index* pairs = nullptr;  // [sequences] where the [queries, keys] of a sequence begin in a head's columns; null:
                                 // by distance, key - query position from -reach() to reach(), farther as at the ends

  Index reach() const { return (columns - 1) / 2; }
  /// The column of query row i and key j of sequence s.
  Index column(const AttentionLayout& l, Index s, Index i, Index j) const {
    if (pairs) return pairs[s] + i * l.keys(s) + j;
    return std::clamp<Index>(j - l.position(s, i), -reach(), reach()) + reach();
  }
};

/// What scores and their sums are kept in: float for elements of 16 bits.
template <class T>
using AttentionScalar = std::conditional_t<sizeof(T) == 2, float, T>;

/// o = softmax(scale · q kᵀ + bias) v per sequence and head, with dropout on the softmax. Rows that see no key become
/// zero. Matrices have row strides, in elements; head h is columns [h · head_size, (h + 1) · head_size).
template <class T>
struct AttentionArgs {
  AttentionLayout layout;
  AttentionScalar<T> scale;
  const T* q;  // [query rows, heads · head_size]
  Index q_stride;
  const T* k;  // [key rows, kv_heads · head_size]
  Index k_stride;
  const T* v;  // as k
  Index v_stride;
  AttentionBias<T> bias;
  T* o;  // [query rows, heads · head_size]
  Index o_stride;
  AttentionScalar<T>* lse;  // [query rows, heads] log Σ exp(scores), +inf for rows that see no key; or null
};

/// P is computed again from q, k and lse; with z the dropout factors: dv = (P ∘ z)ᵀ do, dS = P ∘ (do vᵀ ∘ z - do·o),
/// dq = scale · dS k, dk = scale · dSᵀ q, and the bias gets dS, summed where it is shared. Targets have the strides of
/// their tensors; several may lie in one buffer.
template <class T>
struct AttentionBackwardArgs {
  AttentionArgs<T> forward;
  const T* grad_o;  // as o
  GradTarget<T> dq, dk, dv;
  GradTarget<T> dbias;  // as bias.values
};

}  // namespace cloze::kernels
