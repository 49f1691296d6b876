// Attention on Reference: the whole softmax of one query row at a time, as the textbook has it.
#pragma once

#include <cmath>
#include <vector>

#include <cloze/core/device.hpp>
#include <cloze/kernels/attention_args.hpp>

namespace cloze::kernels {
namespace detail {

/// One query row of one head: its probabilities over the keys it sees, the first one being `from`, and their dropout
/// factors.
template <class T>
struct ReferenceRow {
  std::vector<T> probability, factor;
  Index from;
  T log_sum = T(INFINITY);

  ReferenceRow(const AttentionArgs<T>& a, Index s, Index h, Index i) {
    const AttentionLayout& l = a.layout;
    const KeyRange seen = l.seen(s, i);
    const Index d = l.head_size, kv = h / (l.heads / l.kv_heads);
    from = seen.begin;
    const T* q = a.q + (l.cu_q[s] + i) * a.q_stride + h * d;
    T largest = -T(INFINITY);
    for (Index j = seen.begin; j < seen.end; ++j) {
      const T* k = a.k + (l.cu_k[s] + j) * a.k_stride + kv * d;
      T score{0};
      for (Index c = 0; c < d; ++c) score += q[c] * k[c];
      score *= a.scale;
      if (a.bias.values) score += a.bias.values[h * a.bias.columns + a.bias.column(l, s, i, j)];
      probability.push_back(score);
      if (probability.back() > largest) largest = probability.back();
      const bool kept = !l.dropout.active() || AttentionDropout::keeps(l.dropout, s, h, l.position(s, i), j);
      factor.push_back(kept ? static_cast<T>(l.dropout.scale) : T(0));
    }
    if (seen.empty()) return;
    T sum{0};
    for (T& p : probability) sum += p = std::exp(p - largest);
    for (T& p : probability) p /= sum;
    log_sum = largest + std::log(sum);
  }
};

template <class T>
void attention_zero_unless_added(const GradTarget<T>& target, Index rows, Index columns, Index stride) {
  if (!target.data || target.add) return;
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < columns; ++c) target.data[r * stride + c] = T(0);
}

}  // namespace detail

template <class T>
void attention_forward(Reference, const AttentionArgs<T>& a) {
  const AttentionLayout& l = a.layout;
  const Index d = l.head_size;
  for (Index s = 0; s < l.sequences; ++s)
    for (Index h = 0; h < l.heads; ++h)
      for (Index i = 0; i < l.queries(s); ++i) {
        const detail::ReferenceRow<T> row(a, s, h, i);
        const Index at = l.cu_q[s] + i;
        for (Index c = 0; c < d; ++c) {
          T sum{0};
          for (std::size_t j = 0; j < row.probability.size(); ++j)
            sum +=
                row.probability[j] * row.factor[j] *
                a.v[(l.cu_k[s] + row.from + static_cast<Index>(j)) * a.v_stride + h / (l.heads / l.kv_heads) * d + c];
          a.o[at * a.o_stride + h * d + c] = sum;
        }
        if (a.lse) a.lse[at * l.heads + h] = row.log_sum;
      }
}

template <class T>
void attention_backward(Reference, const AttentionBackwardArgs<T>& b) {
  const AttentionArgs<T>& a = b.forward;
  const AttentionLayout& l = a.layout;
  const Index d = l.head_size, q_rows = l.cu_q[l.sequences], k_rows = l.cu_k[l.sequences];
  detail::attention_zero_unless_added(b.dq, q_rows, l.heads * d, a.q_stride);
  detail::attention_zero_unless_added(b.dk, k_rows, l.kv_heads * d, a.k_stride);
  detail::attention_zero_unless_added(b.dv, k_rows, l.kv_heads * d, a.v_stride);
  detail::attention_zero_unless_added(b.dbias, l.heads, a.bias.columns, a.bias.columns);
  for (Index s = 0; s < l.sequences; ++s)
    for (Index h = 0; h < l.heads; ++h)
      for (Index i = 0; i < l.queries(s); ++i) {
        const detail::ReferenceRow<T> row(a, s, h, i);
        const Index at = l.cu_q[s] + i, kv = h / (l.heads / l.kv_heads) * d;
        const T* grad_o = b.grad_o + at * a.o_stride + h * d;
        std::vector<T> grad_p(row.probability.size());
        T mean{0};  // Σ P dP: what the softmax takes from every score
        for (std::size_t j = 0; j < grad_p.size(); ++j) {
          const T* v = a.v + (l.cu_k[s] + row.from + static_cast<Index>(j)) * a.v_stride + kv;
          for (Index c = 0; c < d; ++c) grad_p[j] += grad_o[c] * v[c];
          grad_p[j] *= row.factor[j];
          mean += row.probability[j] * grad_p[j];
        }
        for (std::size_t j = 0; j < grad_p.size(); ++j) {
          const Index in_sequence = row.from + static_cast<Index>(j), key = l.cu_k[s] + in_sequence;
          const T grad_biased = row.probability[j] * (grad_p[j] - mean), grad_score = grad_biased * a.scale;
          if (b.dbias.data) b.dbias.data[h * a.bias.columns + a.bias.column(l, s, i, in_sequence)] += grad_biased;
          for (Index c = 0; c < d; ++c) {
            const Index q_at = at * a.q_stride + h * d + c, k_at = key * a.k_stride + kv + c;
            if (b.dq.data) b.dq.data[q_at] += grad_score * a.k[k_at];
            if (b.dk.data) b.dk.data[k_at] += grad_score * a.q[q_at];
            if (b.dv.data) b.dv.data[key * a.v_stride + kv + c] += row.probability[j] * row.factor[j] * grad_o[c];
          }
        }
      }
}

}  // namespace cloze::kernels
