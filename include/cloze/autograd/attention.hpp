// Multi-head attention over packed sequences, differentiable.
#pragma once

#include <cmath>
#include <utility>

#include <cloze/autograd/op.hpp>
#include <cloze/autograd/row_ids.hpp>
#include <cloze/kernels/attention.hpp>

namespace cloze {

/// How far a query sees: keys at most `left` before and `right` after its own position.
struct AttentionWindow {
  Index left = kernels::AttentionLayout::all;
  Index right = kernels::AttentionLayout::all;
};

/// Added to the scores after their scale, learned or not; at most one of the two. By distance is what T5 (its buckets
/// gathered into a vector) and ALiBi (Press et al., 2022) need: never a matrix of scores.
template <Scalar T, Device D = Cpu>
struct AttentionBias {
  Tensor<T, D> by_distance;  // [heads, 2 · reach + 1] column reach + r: keys r after the query; farther ones: the ends
  Tensor<T, D> by_pair;      // [heads, Σ queries · keys] sequence after sequence, each [queries, keys]
};

struct AttentionOptions {
  Index heads;
  Index kv_heads = 0;   // heads of keys and values, each shared by heads / kv_heads query heads; 0: as many as heads
  double scale = 0;     // of the scores; 0: 1 / √(head size)
  bool causal = false;  // a query sees the keys up to its own position
  AttentionWindow window = {};
  Dropout dropout = {};
  Ids cu_seqlens;         // [sequences + 1] key rows of sequence s: [cu_seqlens[s], cu_seqlens[s + 1])
  Ids cu_seqlens_q = {};  // [sequences + 1] its query rows; empty: the same
  // [query rows] position of each query row in its sequence, where only some rows are queried. Empty: 0, 1, …; where
  // positions matter (causal, a window, a bias by distance) counted so that the last query stands at the last key.
  Ids q_positions = {};
};

namespace detail {

/// Copies of the caller's lists, for the tape.
struct AttentionLists {
  List<Index> cu_q, cu_k, positions, pairs;
};

inline void check_cu_seqlens(const char* which, Ids lengths, Index rows) {
  require(!lengths.empty() && lengths.front() == 0, "cloze.attention.2",
          "attention: {} must begin with 0 (it has {} entries)", which, lengths.size());
  for (std::size_t s = 1; s < lengths.size(); ++s)
    require(lengths[s] >= lengths[s - 1], "cloze.attention.2",
            "attention: {}[{}] = {} comes after {}: it must not fall", which, s, lengths[s], lengths[s - 1]);
  require(lengths.back() == rows, "cloze.attention.2", "attention: {} ends at row {}, its tensor has {} rows", which,
          lengths.back(), rows);
}

/// Where one of q, k, v lies: a tensor and its first column.
template <Scalar T, Device D>
struct AttentionInput {
  Tensor<T, D> tensor;
  Index column = 0;

  const T* data() const { return tensor.data() + column; }
};

/// The tensor of a bias, undefined for none; fills `pairs` for one by pairs. Throws [cloze.attention.4].
template <Scalar T, Device D>
Tensor<T, D> checked_attention_bias(const char* name, const AttentionBias<T, D>& bias, Index heads, Ids cu_q, Ids cu_k,
                                    List<Index>& pairs) {
  const auto& [by_distance, by_pair] = bias;
  require(!by_distance.defined() || !by_pair.defined(), "cloze.attention.4",
          "{}: a bias by distance and one by pair at once", name);
  if (by_distance.defined())
    require(by_distance.rank() == 2 && by_distance.rows() == heads && by_distance.columns() % 2 == 1,
            "cloze.attention.4", "{}: a bias by distance of shape {}, wanted [{}, an odd number]", name,
            by_distance.shape(), heads);
  if (!by_pair.defined()) return by_distance;
  Index sum = 0;
  for (std::size_t s = 0; s + 1 < cu_q.size(); ++s) {
    pairs.push_back(sum);
    sum += (cu_q[s + 1] - cu_q[s]) * (cu_k[s + 1] - cu_k[s]);
  }
  require(by_pair.rank() == 2 && by_pair.rows() == heads && by_pair.columns() == sum, "cloze.attention.4",
          "{}: a bias by pair of shape {}, wanted [{}, {}]", name, by_pair.shape(), heads, sum);
  return by_pair;
}

template <Scalar T, Device D>
Tensor<T, D> attention(const char* name, const AttentionInput<T, D>& q, const AttentionInput<T, D>& k,
                       const AttentionInput<T, D>& v, Index head_size, const AttentionOptions& options,
                       const AttentionBias<T, D>& added) {
  const Index heads = options.heads, kv_heads = options.kv_heads == 0 ? heads : options.kv_heads;
  const Index q_rows = q.tensor.rows(), k_rows = k.tensor.rows();
  check_cu_seqlens("cu_seqlens", options.cu_seqlens, k_rows);
  const Ids cu_q = options.cu_seqlens_q.empty() ? options.cu_seqlens : options.cu_seqlens_q;
  require(cu_q.size() == options.cu_seqlens.size(), "cloze.attention.2",
          "attention: cu_seqlens_q has {} entries, cu_seqlens {}", cu_q.size(), options.cu_seqlens.size());
  check_cu_seqlens("cu_seqlens_q", cu_q, q_rows);
  require(std::isfinite(options.scale), "cloze.attention.1", "{}: the scale is {}", name, options.scale);
  const Ids positions = options.q_positions;
  if (!positions.empty()) {
    require(static_cast<Index>(positions.size()) == q_rows, "cloze.attention.3", "{}: {} positions for {} query rows",
            name, positions.size(), q_rows);
    for (std::size_t s = 0; s + 1 < cu_q.size(); ++s)
      for (Index row = cu_q[s]; row < cu_q[s + 1]; ++row) {
        const Index limit = options.causal ? options.cu_seqlens[s + 1] - options.cu_seqlens[s] : Index{1} << 31;
        require(positions[row] >= 0 && positions[row] < limit, "cloze.attention.3",
                "{}: query row {} of sequence {} is at position {}, outside [0, {})", name, row, s, positions[row],
                limit);
      }
  }

  AttentionLists lists{{cu_q.begin(), cu_q.end()},
                       {options.cu_seqlens.begin(), options.cu_seqlens.end()},
                       {positions.begin(), positions.end()},
                       {}};
  const auto bias = checked_attention_bias(name, added, heads, cu_q, options.cu_seqlens, lists.pairs);
  const auto [left, right] = options.window;
  require(left >= 0 && right >= 0, "cloze.attention.5", "{}: a window of {} keys before and {} after a query", name,
          left, right);
  const Index unlimited = kernels::AttentionLayout::all, before = std::min(left, unlimited);
  const Index after = options.causal ? 0 : std::min(right, unlimited);
  const kernels::AttentionLayout layout{
      .sequences = static_cast<Index>(cu_q.size()) - 1,
      .heads = heads,
      .kv_heads = kv_heads,
      .head_size = head_size,
      .cu_q = lists.cu_q.data(),
      .cu_k = lists.cu_k.data(),
      .q_positions = positions.empty() ? nullptr : lists.positions.data(),
      .last_to_last = before < unlimited || after < unlimited || added.by_distance.defined(),
      .before = before,
      .after = after,
      .dropout = dropout_rule(options.dropout)};
  const double scale = options.scale != 0 ? options.scale : 1 / std::sqrt(static_cast<double>(head_size));
  auto o = Tensor<T, D>::empty({q_rows, heads * head_size});
  const bool recorded = wants_grad(q.tensor, k.tensor, v.tensor, bias);
  auto lse = Tensor<Compute<T>, D>::empty({recorded ? q_rows : 0, heads});
  const kernels::AttentionArgs<T> args{.layout = layout,
                                       .scale = static_cast<Compute<T>>(scale),
                                       .q = q.data(),
                                       .q_stride = q.tensor.columns(),
                                       .k = k.data(),
                                       .k_stride = k.tensor.columns(),
                                       .v = v.data(),
                                       .v_stride = v.tensor.columns(),
                                       .bias = {.values = bias.defined() ? bias.data() : nullptr,
                                                .columns = bias.defined() ? bias.columns() : 0,
                                                .pairs = lists.pairs.empty() ? nullptr : lists.pairs.data()},
                                       .o = o.data(),
                                       .o_stride = heads * head_size,
                                       .lse = recorded ? lse.data() : nullptr};
  if (o.size() != 0) kernels::attention_forward(D{}, args);
  if (!recorded) return o;
  record_op(
      name, o,
      [q, k, v, bias, lse, lists = std::move(lists), args](OutputView<T> result) {
        if (args.layout.head_size == 0) return;
        kernels::AttentionBackwardArgs<T> backward{args, result.grad, {}, {}, {}, {}};
        backward.forward.o = const_cast<T*>(result.value);  // read only
        backward.dbias = grad_target(bias);
        if (backward.dbias.data && (bias.same_as(q.tensor) || bias.same_as(k.tensor) || bias.same_as(v.tensor))) {
          kernels::attention_backward(D{}, backward);  // one tensor in two roles
          backward.dbias = {};
        }
        if (q.tensor.same_as(v.tensor) && k.tensor.same_as(v.tensor) && q.column != k.column) {
          const auto all = grad_target(q.tensor);  // one fused buffer: disjoint columns cover it
          const auto part = [&](Index column) {
            return GradTarget<T>{all.data ? all.data + column : nullptr, all.add};
          };
          backward.dq = part(q.column);
          backward.dk = part(k.column);
          backward.dv = part(v.column);
          kernels::attention_backward(D{}, backward);
          return;
        }
        const bool fused_kv = k.tensor.same_as(v.tensor) && k.column != v.column;
        const bool apart =
            !q.tensor.same_as(k.tensor) && !q.tensor.same_as(v.tensor) && (fused_kv || !k.tensor.same_as(v.tensor));
        backward.dq = grad_target(q.tensor);
        if (!apart && backward.dq.data) {  // one tensor in two roles: a pass for each, so that the sums do not race
          kernels::attention_backward(D{}, backward);
          backward.dq = backward.dbias = {};
        }
        const auto dk = grad_target(k.tensor);
        if (fused_kv) {
          backward.dk = {dk.data ? dk.data + k.column : nullptr, dk.add};
          backward.dv = {dk.data ? dk.data + v.column : nullptr, dk.add};
        } else {
          backward.dk = dk;
          if (!apart && backward.dk.data) {
            kernels::attention_backward(D{}, backward);
            backward.dk = backward.dbias = {};
          }
          backward.dv = grad_target(v.tensor);
        }
        if (backward.dq.data || backward.dk.data || backward.dv.data || backward.dbias.data)
          kernels::attention_backward(D{}, backward);
      },
      q.tensor, k.tensor, v.tensor, bias);
  return o;
}

inline Index checked_kv_heads(const char* name, const AttentionOptions& options) {
  const Index kv_heads = options.kv_heads == 0 ? options.heads : options.kv_heads;
  require(options.heads > 0 && kv_heads > 0 && options.heads % kv_heads == 0, "cloze.attention.1",
          "{}: {} heads over {} heads of keys and values (wanted a multiple)", name, options.heads, options.kv_heads);
  return kv_heads;
}

}  // namespace detail

/// softmax(scale · q kᵀ + bias) v within each sequence, per head, with dropout on the probabilities. No padding, and no
/// matrix of scores in memory: tiles with an online softmax (Dao, FlashAttention-2, arXiv 2307.08691); dropout is drawn
/// again in the backward pass as a function of (key, sequence, head, query position, key position). A row that sees no
/// key becomes zero. q [query rows, heads · d], k, v [key rows, kv_heads · d]  ->  [query rows, heads · d] Throws
/// [cloze.attention.1] where shapes or heads do not fit, [cloze.attention.2] for wrong cumulative lengths,
/// [cloze.attention.3] for wrong positions, [cloze.attention.4] for a bias that does not fit, [cloze.attention.5] for a
/// negative window, [cloze.dropout.1] for p outside [0, 1).
template <Scalar T, Device D>
Tensor<T, D> attention(const Tensor<T, D>& q, const Tensor<T, D>& k, const Tensor<T, D>& v,
                       const AttentionOptions& options, const AttentionBias<T, D>& bias = {}) {
  const Index kv_heads = detail::checked_kv_heads("attention", options);
  require(q.rank() == 2 && k.rank() == 2 && v.shape() == k.shape() && q.columns() % options.heads == 0 &&
              k.columns() == q.columns() / options.heads * kv_heads,
          "cloze.attention.1", "attention: q {}, k {}, v {} do not fit {} heads over {}", q.shape(), k.shape(),
          v.shape(), options.heads, kv_heads);
  using Input = detail::AttentionInput<T, D>;
  return detail::attention("attention", Input{q}, Input{k}, Input{v}, q.columns() / options.heads, options, bias);
}

/// Self-attention from one fused buffer, whose columns hold q, then k, then v: no copies, one gradient.
/// qkv [tokens, (heads + 2 · kv_heads) · d]  ->  [tokens, heads · d].  Throws as attention does.
template <Scalar T, Device D>
Tensor<T, D> attention_qkv(const Tensor<T, D>& qkv, const AttentionOptions& options,
                           const AttentionBias<T, D>& bias = {}) {
  const Index heads = options.heads, kv_heads = detail::checked_kv_heads("attention_qkv", options);
  require(qkv.rank() == 2 && qkv.columns() % (heads + 2 * kv_heads) == 0, "cloze.attention.1",
          "attention_qkv: {} does not fit {} heads over {}", qkv.shape(), heads, kv_heads);
  const Index d = qkv.columns() / (heads + 2 * kv_heads);
  using Input = detail::AttentionInput<T, D>;
  return detail::attention("attention_qkv", Input{qkv, 0}, Input{qkv, heads * d}, Input{qkv, (heads + kv_heads) * d}, d,
                           options, bias);
}

/// Queries of their own against one fused buffer, whose columns hold k, then v.
/// q [query rows, heads · d], kv [key rows, 2 · kv_heads · d]  ->  [query rows, heads · d].  Throws as attention does.
template <Scalar T, Device D>
Tensor<T, D> attention_kv(const Tensor<T, D>& q, const Tensor<T, D>& kv, const AttentionOptions& options,
                          const AttentionBias<T, D>& bias = {}) {
  const Index kv_heads = detail::checked_kv_heads("attention_kv", options);
  require(q.rank() == 2 && kv.rank() == 2 && q.columns() % options.heads == 0 &&
              kv.columns() == q.columns() / options.heads * kv_heads * 2,
          "cloze.attention.1", "attention_kv: q {} and kv {} do not fit {} heads over {}", q.shape(), kv.shape(),
          options.heads, kv_heads);
  const Index d = q.columns() / options.heads;
  using Input = detail::AttentionInput<T, D>;
  return detail::attention("attention_kv", Input{q}, Input{kv, 0}, Input{kv, kv_heads * d}, d, options, bias);
}

}  // namespace cloze
