// BERT: masked LM, masked LM with next-sentence prediction, and sequence classification.
#pragma once

#include <algorithm>
#include <iterator>

#include <cloze/models/masked_lm.hpp>
#include <cloze/models/sequence_classification.hpp>

namespace cloze {

template <Scalar T, Device D = Cpu>
class BertForMaskedLM : public EncoderForMaskedLM<T, D> {
 public:
  /// Errors: read_pretrained_config's, WeightSource's and PretrainedFolder's.
  static BertForMaskedLM from_pretrained(const std::filesystem::path& folder, const LoadOptions& options = {}) {
    BertForMaskedLM model(read_pretrained_config(folder, {&bert_architecture()}), options);
    model.load(folder);
    return model;
  }
  /// Fresh weights: initialize_parameters(). Errors: [cloze.config.4] a config of another architecture.
  static BertForMaskedLM from_config(const EncoderConfig& config, const Rng& rng, const LoadOptions& options = {}) {
    BertForMaskedLM model(config, options);
    model.draw(rng, &bert_architecture());
    return model;
  }

 private:
  using EncoderForMaskedLM<T, D>::EncoderForMaskedLM;
};

/// BERT with both of its pretraining heads.
template <Scalar T, Device D = Cpu>
class BertForPreTraining : public EncoderForMaskedLM<T, D> {
 public:
  static BertForPreTraining from_pretrained(const std::filesystem::path& folder, const LoadOptions& options = {}) {
    BertForPreTraining model(read_pretrained_config(folder, {&bert_architecture()}), options);
    model.load(folder);
    return model;
  }
  /// Fresh weights: initialize_parameters(). Errors: [cloze.config.4] a config of another architecture.
  static BertForPreTraining from_config(const EncoderConfig& config, const Rng& rng, const LoadOptions& options = {}) {
    BertForPreTraining model(config, options);
    model.draw(rng, &bert_architecture());
    return model;
  }

  struct Output {
    Tensor<T, D> mask_logits;           // [masks, vocab]
    Tensor<T, D> next_sentence_logits;  // [sequences, 2]; column 0: the second text follows the first
  };
  /// Both heads after one pass through the encoder. Throws TransformerEncoder::forward's, [cloze.encoder.5].
  Output forward(const PackedBatch& batch, const ForwardContext& context = {}) const {
    const BothHidden hidden = both_hidden(batch, context);
    return {this->head_(hidden.masks), next_sentence_(pooler_(hidden.firsts, Activation::tanh))};
  }

  struct Losses {
    Tensor<T, D> masked;         // scalar, over batch.targets
    Tensor<T, D> next_sentence;  // scalar, over batch.labels
  };
  /// Both losses after one pass through the encoder, without holding the scores of the vocabulary. Throws as forward,
  /// and cross_entropy's for targets or labels that do not fit.
  Losses losses(const PackedBatch& batch, const ForwardContext& context = {}) const {
    const BothHidden hidden = both_hidden(batch, context);
    const auto next = next_sentence_(pooler_(hidden.firsts, Activation::tanh));
    return {this->target_loss(hidden.masks, batch), cross_entropy(next, std::span<const LabelId>(batch.labels))};
  }
  /// ->  [sequences, 2]
  Tensor<T, D> next_sentence_logits(const PackedBatch& batch, const ForwardContext& context = {}) const;

 private:
  BertForPreTraining(const EncoderConfig& config, const LoadOptions& options)
      : EncoderForMaskedLM<T, D>(config, options, "ForPreTraining"),
        pooler_(config.hidden_size, config.hidden_size),
        next_sentence_(config.hidden_size, 2) {
    pooler_.visit("bert.pooler.dense", this->adder());
    next_sentence_.visit("cls.seq_relationship", this->adder());
  }

  struct BothHidden {
    Tensor<T, D> masks, firsts;  // last hidden states at the masks, and of each sequence's first token
  };
  BothHidden both_hidden(const PackedBatch& batch, const ForwardContext& context) const;

  Linear<T, D> pooler_;
  Linear<T, D> next_sentence_;
};

template <Scalar T, Device D>
auto BertForPreTraining<T, D>::both_hidden(const PackedBatch& batch, const ForwardContext& context) const
    -> BothHidden {
  const List<Index> firsts = this->first_rows(batch);
  List<Index> rows;  // of both, each once
  std::set_union(firsts.begin(), firsts.end(), batch.mask_rows.begin(), batch.mask_rows.end(),
                 std::back_inserter(rows));
  const auto hidden = this->encoder_.forward_rows(batch, rows, context);  // [rows, hidden]
  const auto pick = [&](std::span<const Index> wanted) {
    List<Index> at;
    for (const Index row : wanted) at.push_back(std::lower_bound(rows.begin(), rows.end(), row) - rows.begin());
    return gather_rows(hidden, std::span<const Index>(at));
  };
  return {pick(batch.mask_rows), pick(firsts)};
}

template <Scalar T, Device D>
Tensor<T, D> BertForPreTraining<T, D>::next_sentence_logits(const PackedBatch& batch,
                                                            const ForwardContext& context) const {
  const auto firsts = this->encoder_.forward_rows(batch, this->first_rows(batch), context);
  return next_sentence_(pooler_(firsts, Activation::tanh));
}

template <Scalar T, Device D = Cpu>
class BertForSequenceClassification : public EncoderForSequenceClassification<T, D> {
 public:
  /// Errors: as BertForMaskedLM, and [cloze.classification.1].
  static BertForSequenceClassification from_pretrained(const std::filesystem::path& folder,
                                                       const ClassificationOptions& options = {}) {
    BertForSequenceClassification model(read_pretrained_config(folder, {&bert_architecture()}), options);
    model.load(folder, options);
    return model;
  }
  /// Fresh weights: initialize_parameters(). Errors: [cloze.config.4] a config of another architecture.
  static BertForSequenceClassification from_config(const EncoderConfig& config, const Rng& rng,
                                                   const ClassificationOptions& options = {}) {
    BertForSequenceClassification model(config, options);
    model.draw(rng, &bert_architecture());
    return model;
  }

 private:
  using EncoderForSequenceClassification<T, D>::EncoderForSequenceClassification;
};

}  // namespace cloze
