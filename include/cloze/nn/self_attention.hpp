// SelfAttention: multi-head attention over packed sequences, queries, keys and values projected by one fused matrix.
// Vaswani et al., "Attention is all you need", 2017.
#pragma once

#include <span>
#include <string>

#include <cloze/autograd/attention.hpp>
#include <cloze/nn/linear.hpp>
#include <cloze/nn/row_selection.hpp>

namespace cloze {

/// How files call the four projections; the fused one is stored under their three names.
struct AttentionNames {
  std::string query = "attention.self.query";
  std::string key = "attention.self.key";
  std::string value = "attention.self.value";
  std::string output = "attention.output.dense";
  std::string fused = "attention.self.query_key_value";  // the name of the fused parameter itself
};

template <Scalar T, Device D = Cpu>
struct SelfAttention {
  Linear<T, D> qkv;     // [3 hidden, hidden]: rows of the queries, then of the keys, then of the values
  Linear<T, D> output;  // [hidden, hidden]
  Index heads = 1;

  SelfAttention() = default;
  /// `head_count` divides `hidden`.
  SelfAttention(Index hidden, Index head_count) : qkv(hidden, 3 * hidden), output(hidden, hidden), heads(head_count) {}

  /// x [tokens, hidden]  ->  [tokens, hidden], after the output projection.
  Tensor<T, D> operator()(const Tensor<T, D>& x, std::span<const Index> cu_seqlens, Dropout dropout) const {
    return output(
        attention_qkv(qkv(x), AttentionOptions{.heads = heads, .dropout = dropout, .cu_seqlens = cu_seqlens}));
  }

  /// The same for some rows only: queries and projection for them, keys and values for all.
  /// x [tokens, hidden], x_rows [n, hidden] = those rows of x  ->  [n, hidden]
  Tensor<T, D> operator()(const Tensor<T, D>& x, const Tensor<T, D>& x_rows, const RowSelection& selection,
                          std::span<const Index> cu_seqlens, Dropout dropout) const {
    const Index hidden = qkv.weight.columns();
    const auto query = linear(x_rows, qkv.weight, qkv.bias, {.first_row = 0, .rows = hidden});
    const auto key_value = linear(x, qkv.weight, qkv.bias, {.first_row = hidden, .rows = 2 * hidden});
    return output(attention_kv(query, key_value,
                               AttentionOptions{.heads = heads,
                                                .dropout = dropout,
                                                .cu_seqlens = cu_seqlens,
                                                .cu_seqlens_q = selection.cu_seqlens,
                                                .q_positions = selection.positions}));
  }

  void visit(const std::string& prefix, const AttentionNames& names, const ParameterVisitor<T, D>& f) const {
    const auto fused = [&](const std::string& kind, const Tensor<T, D>& tensor) {
      f({prefix + names.fused + kind,
         tensor,
         {prefix + names.query + kind, prefix + names.key + kind, prefix + names.value + kind}});
    };
    fused(".weight", qkv.weight);
    fused(".bias", qkv.bias);
    output.visit(prefix + names.output, f);
  }
};

}  // namespace cloze
