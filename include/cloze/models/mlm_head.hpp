// MlmHead: a masked language model's own prediction head, for all words or for a few.
#pragma once

#include <span>
#include <string>
#include <utility>

#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/linear_cross_entropy.hpp>
#include <cloze/models/config.hpp>
#include <cloze/nn/layer_norm.hpp>
#include <cloze/nn/linear.hpp>

namespace cloze {

/// logits = norm(activation(dense(hidden))) Wᵀ + bias, where W [vocab, hidden] is the word embeddings unless untied.
template <Scalar T, Device D = Cpu>
class MlmHead {
 public:
  MlmHead() = default;
  /// Parameters unset: to be loaded. `word_embeddings` is shared where config ties it.
  MlmHead(const EncoderConfig& config, Tensor<T, D> word_embeddings)
      : transform_(config.hidden_size, config.hidden_size),
        norm_(config.hidden_size, config.layer_norm_eps),
        bias_(Tensor<T, D>::empty({config.vocab_size})),
        decoder_(std::move(word_embeddings)),
        activation_(config.head_activation),
        tied_(config.tie_word_embeddings) {
    bias_.requires_grad(true);
    if (!tied_) {
      decoder_ = Tensor<T, D>::empty({config.vocab_size, config.hidden_size});
      decoder_.requires_grad(true);
    }
  }

  /// hidden [rows, hidden]  ->  [rows, vocab]
  Tensor<T, D> operator()(const Tensor<T, D>& hidden) const { return linear(features(hidden), decoder_, bias_); }

  /// Only the columns of `words`: nothing is computed for the rest of the vocabulary, and the gradients of decoder and
  /// bias are row-sparse.   hidden [rows, hidden]  ->  [rows, words]
  /// Throws [cloze.mlm_head.1] where a word is outside the vocabulary.
  Tensor<T, D> operator()(const Tensor<T, D>& hidden, std::span<const TokenId> words) const {
    for (std::size_t i = 0; i < words.size(); ++i)
      require(value(words[i]) >= 0 && value(words[i]) < decoder_.rows(), "cloze.mlm_head.1",
              "word {} of {}: id {} is outside the model's vocabulary of {}", i, words.size(), value(words[i]),
              decoder_.rows());
    return linear(features(hidden), gather_rows(decoder_, words), gather_rows(bias_, words));
  }

  /// cross_entropy of the scores of all words, without holding them: see linear_cross_entropy.
  ///   hidden [rows, hidden], labels [rows]  ->  scalar
  Tensor<T, D> loss(const Tensor<T, D>& hidden, std::span<const Index> labels,
                    const CrossEntropyOptions& options = {}) const {
    return linear_cross_entropy(features(hidden), decoder_, bias_, labels, options);
  }

  /// What the decoder multiplies.   hidden [rows, hidden]  ->  [rows, hidden]
  Tensor<T, D> features(const Tensor<T, D>& hidden) const { return norm_(transform_(hidden, activation_)); }

  bool tied() const { return tied_; }
  const Tensor<T, D>& bias() const { return bias_; }        // [vocab]
  const Tensor<T, D>& decoder() const { return decoder_; }  // [vocab, hidden]

  void visit(const MlmHeadNames& names, const ParameterVisitor<T, D>& f) const {
    f({tied_ ? names.bias : names.decoder + ".bias", bias_});  // an untied decoder is a layer of its own
    transform_.visit(names.transform, f);
    norm_.visit(names.norm, f);
    if (!tied_) f({names.decoder + ".weight", decoder_});
  }

 private:
  Linear<T, D> transform_;
  LayerNorm<T, D> norm_;
  Tensor<T, D> bias_;     // [vocab]
  Tensor<T, D> decoder_;  // [vocab, hidden]
  Activation activation_ = Activation::gelu;
  bool tied_ = true;
};

}  // namespace cloze
