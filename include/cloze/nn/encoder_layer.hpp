// EncoderLayer: attention and feed-forward, each followed by dropout, residual and layer norm (post-norm, as in BERT).
#pragma once

#include <array>
#include <span>
#include <string>

#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/recompute.hpp>
#include <cloze/nn/feed_forward.hpp>
#include <cloze/nn/forward_context.hpp>
#include <cloze/nn/layer_norm.hpp>
#include <cloze/nn/self_attention.hpp>

namespace cloze {

/// How files call the parts of a layer. The defaults are BERT's.
struct EncoderLayerNames {
  AttentionNames attention{};
  std::string attention_norm = "attention.output.LayerNorm";
  std::string up = "intermediate.dense";
  std::string down = "output.dense";
  std::string output_norm = "output.LayerNorm";
};

struct EncoderLayerOptions {
  Index hidden = 0;
  Index heads = 1;
  Index intermediate = 0;
  Activation activation = Activation::gelu;
  double eps = 1e-12;
  bool projection_dropout = true;  // DistilBERT has none after the attention's projection
};

/// The three dropouts of one layer's forward pass.
struct EncoderLayerDropout {
  Dropout attention{};
  Dropout projection{};
  Dropout feed_forward{};
};

template <Scalar T, Device D = Cpu>
struct EncoderLayer {
  SelfAttention<T, D> attention;
  LayerNorm<T, D> attention_norm;
  FeedForward<T, D> feed_forward;
  LayerNorm<T, D> output_norm;
  bool projection_dropout = true;

  EncoderLayer() = default;
  explicit EncoderLayer(const EncoderLayerOptions& options)
      : attention(options.hidden, options.heads),
        attention_norm(options.hidden, options.eps),
        feed_forward(options.hidden, options.intermediate, options.activation),
        output_norm(options.hidden, options.eps),
        projection_dropout(options.projection_dropout) {}

  /// Draws in the order in which data meet the dropouts.
  EncoderLayerDropout draw_dropout(const ForwardContext& context, const DropoutRates& rates) const {
    EncoderLayerDropout drawn;
    drawn.attention = context.dropout(rates.attention);
    if (projection_dropout) drawn.projection = context.dropout(rates.hidden);
    drawn.feed_forward = context.dropout(rates.hidden);
    return drawn;
  }

  /// x [tokens, hidden]  ->  [tokens, hidden]
  Tensor<T, D> operator()(const Tensor<T, D>& x, std::span<const Index> cu_seqlens,
                          const EncoderLayerDropout& dropout) const {
    const auto middle = attention_norm(attention(x, cu_seqlens, dropout.attention), x, dropout.projection);
    return output_norm(feed_forward(middle), middle, dropout.feed_forward);
  }

  /// The same bits, but only x is kept for the backward pass, which computes the layer again.
  Tensor<T, D> recomputed(const Tensor<T, D>& x, std::span<const Index> cu_seqlens,
                          const EncoderLayerDropout& dropout) const {
    const std::array<Tensor<T, D>, 12> parameters{
        attention.qkv.weight,     attention.qkv.bias,     attention.output.weight, attention.output.bias,
        attention_norm.weight,    attention_norm.bias,    feed_forward.up.weight,  feed_forward.up.bias,
        feed_forward.down.weight, feed_forward.down.bias, output_norm.weight,      output_norm.bias};
    return recompute(x, std::span<const Tensor<T, D>>(parameters),
                     [layer = *this, lengths = List<Index>(cu_seqlens.begin(), cu_seqlens.end()),
                      dropout](const Tensor<T, D>& input) { return layer(input, lengths, dropout); });
  }

  /// Only the selected rows of the result: everything but keys and values is computed for them alone. Dropout is drawn
  /// by row number, so the rows equal those of the whole.   x [tokens, hidden]  ->  [selected, hidden]
  Tensor<T, D> operator()(const Tensor<T, D>& x, const RowSelection& selection, std::span<const Index> cu_seqlens,
                          const EncoderLayerDropout& dropout) const {
    const auto x_rows = gather_rows(x, std::span<const Index>(selection.rows));
    const auto middle = attention_norm(attention(x, x_rows, selection, cu_seqlens, dropout.attention), x_rows,
                                       dropout.projection, selection.rows);
    return output_norm(feed_forward(middle), middle, dropout.feed_forward, selection.rows);
  }

  void visit(const std::string& prefix, const EncoderLayerNames& names, const ParameterVisitor<T, D>& f) const {
    attention.visit(prefix, names.attention, f);
    attention_norm.visit(prefix + names.attention_norm, f);
    feed_forward.up.visit(prefix + names.up, f);
    feed_forward.down.visit(prefix + names.down, f);
    output_norm.visit(prefix + names.output_norm, f);
  }
};

}  // namespace cloze
