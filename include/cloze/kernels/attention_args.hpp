// Attention over packed sequences of uneven length: what the kernels need to know.
#pragma once

#include <cloze/core/dropout.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// Which rows belong together, and how they see each other. Sequence s has the query rows [cu_q[s], cu_q[s + 1]) and
/// the key rows [cu_k[s], cu_k[s + 1]). Query head h reads key head h / (heads / kv_heads). Lists are on the host,
/// checked.
struct AttentionLayout {
  Index sequences, heads, kv_heads, head_size;
  const Index* cu_q;         // [sequences + 1]
  const Index* cu_k;         // [sequences + 1]
  const Index* q_positions;  // [query rows] position of each query row in its sequence, or null: see position()
  bool causal;
  DropoutRule dropout;

  Index queries(Index s) const { return cu_q[s + 1] - cu_q[s]; }
  Index keys(Index s) const { return cu_k[s + 1] - cu_k[s]; }
  /// The position of query row i of sequence s. Not given: i, or bottom-right aligned where causal (the last query sees
  /// every key), which may be negative: such a row sees nothing.
  Index position(Index s, Index i) const {
    if (q_positions) return q_positions[cu_q[s] + i];
    return causal ? i + keys(s) - queries(s) : i;
  }
  /// How many keys query row i sees: always the first ones.
  Index visible(Index s, Index i) const {
    if (!causal) return keys(s);
    const Index last = position(s, i);
    return last < 0 ? 0 : last + 1 < keys(s) ? last + 1 : keys(s);
  }
};

/// o = softmax(scale · q kᵀ) v per sequence and head, with dropout on the softmax. Rows that see no key become zero.
/// Matrices have row strides, in elements; head h is columns [h · head_size, (h + 1) · head_size).
template <class T>
struct AttentionArgs {
  AttentionLayout layout;
  T scale;
  const T* q;  // [query rows, heads · head_size]
  Index q_stride;
  const T* k;  // [key rows, kv_heads · head_size]
  Index k_stride;
  const T* v;  // as k
  Index v_stride;
  T* o;  // [query rows, heads · head_size]
  Index o_stride;
  T* lse;  // [query rows, heads] log Σ exp(scores), +inf for rows that see no key; or null
};

/// P is computed again from q, k and lse; with z the dropout factors: dv = (P ∘ z)ᵀ do, dS = P ∘ (do vᵀ ∘ z - do·o),
/// dq = scale · dS k, dk = scale · dSᵀ q. Targets have the strides of their tensors; several may lie in one buffer.
template <class T>
struct AttentionBackwardArgs {
  AttentionArgs<T> forward;
  const T* grad_o;  // as o
  GradTarget<T> dq, dk, dv;
};

}  // namespace cloze::kernels
