// EncoderForMaskedLM: an encoder with its masked-LM head; BERT's, RoBERTa's and DistilBERT's models are made of it.
#pragma once

#include <cloze/models/encoder_model.hpp>
#include <cloze/models/mlm_head.hpp>

namespace cloze {

/// Every function takes a ForwardContext; by default it evaluates, without dropout. What is computed: mask rows only
/// (in the last layer all but keys and values, and in the head), and the words asked for only.
template <Scalar T, Device D = Cpu>
class EncoderForMaskedLM : public EncoderModel<T, D> {
 public:
  /// The scores of `words` at every mask of the batch.   ->  [masks, words]
  /// Throws what TransformerEncoder::forward throws, and [cloze.mlm_head.1] where a word is outside the vocabulary.
  Tensor<T, D> mask_scores(const PackedBatch& batch, std::span<const TokenId> words,
                           const ForwardContext& context = {}) const;
  /// The scores of the whole vocabulary at every mask.   ->  [masks, vocab]
  Tensor<T, D> mask_logits(const PackedBatch& batch, const ForwardContext& context = {}) const;
  /// The masked-LM loss: the mean cross entropy of batch.targets, one a mask, over the whole vocabulary, of which only
  /// a block of rows is in memory at a time.   ->  scalar Throws [cloze.losses.1] where the batch has no targets.
  Tensor<T, D> mask_loss(const PackedBatch& batch, const ForwardContext& context = {}) const {
    return target_loss(mask_hidden(batch, context), batch);
  }
  /// The scores of the whole vocabulary at every token: for inspection, as it is vocab / hidden times the size of the
  /// hidden states.   ->  [tokens, vocab]
  Tensor<T, D> logits(const PackedBatch& batch, const ForwardContext& context = {}) const;
  /// The last hidden states at the masks.   ->  [masks, hidden]
  Tensor<T, D> mask_hidden(const PackedBatch& batch, const ForwardContext& context = {}) const {
    return encoder_.forward_rows(batch, batch.mask_rows, context);
  }
  const MlmHead<T, D>& mlm_head() const { return head_; }

 protected:
  EncoderForMaskedLM(const EncoderConfig& config, const LoadOptions& options,
                     const std::string& class_suffix = "ForMaskedLM");
  /// Throws PretrainedFolder's errors; a tied decoder that the file repeats must equal the embeddings.
  void load(const std::filesystem::path& folder);
  /// hidden [masks, hidden]  ->  scalar
  Tensor<T, D> target_loss(const Tensor<T, D>& hidden, const PackedBatch& batch) const;

  using EncoderModel<T, D>::encoder_;
  using EncoderModel<T, D>::config_;
  MlmHead<T, D> head_;
};

template <Scalar T, Device D>
EncoderForMaskedLM<T, D>::EncoderForMaskedLM(const EncoderConfig& config, const LoadOptions& options,
                                             const std::string& class_suffix)
    : EncoderModel<T, D>(config, class_suffix, options), head_(config_, encoder_.word_embeddings()) {
  const EncoderArchitecture& architecture = *config_.architecture;
  encoder_.visit(this->prefix(), architecture.encoder, this->adder());
  head_.visit(architecture.mlm_head, this->adder());
}

template <Scalar T, Device D>
void EncoderForMaskedLM<T, D>::load(const std::filesystem::path& folder) {
  const EncoderArchitecture& architecture = *config_.architecture;
  const MlmHeadNames& names = architecture.mlm_head;
  PretrainedFolder files(folder, architecture.prefix);
  const std::string words = this->prefix() + architecture.encoder.words + ".weight";
  const std::string decoder = names.decoder + ".weight", decoder_bias = names.decoder + ".bias";
  if (!head_.tied()) {
    files.add_alias(decoder_bias, names.bias);
    return EncoderModel<T, D>::load(files);
  }
  files.add_alias(names.bias, decoder_bias);
  files.add_alias(words, decoder);
  EncoderModel<T, D>::load(files);
  files.check_repeated(decoder, encoder_.word_embeddings(), words);
  files.check_repeated(decoder_bias, head_.bias(), names.bias);
  this->report_.unused = files.unused();
}

// Out of the class, so that one translation unit can hold a program's copies (extern template).

template <Scalar T, Device D>
Tensor<T, D> EncoderForMaskedLM<T, D>::mask_scores(const PackedBatch& batch, std::span<const TokenId> words,
                                                   const ForwardContext& context) const {
  return head_(mask_hidden(batch, context), words);
}

template <Scalar T, Device D>
Tensor<T, D> EncoderForMaskedLM<T, D>::mask_logits(const PackedBatch& batch, const ForwardContext& context) const {
  return head_(mask_hidden(batch, context));
}

template <Scalar T, Device D>
Tensor<T, D> EncoderForMaskedLM<T, D>::target_loss(const Tensor<T, D>& hidden, const PackedBatch& batch) const {
  List<Index> targets(batch.targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = value(batch.targets[i]);
  return head_.loss(hidden, targets);
}

template <Scalar T, Device D>
Tensor<T, D> EncoderForMaskedLM<T, D>::logits(const PackedBatch& batch, const ForwardContext& context) const {
  return head_(encoder_.forward(batch, context));
}

}  // namespace cloze
