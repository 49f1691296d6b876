// BERT: masked LM, masked LM with next-sentence prediction, and sequence classification.
#pragma once

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

  struct Output {
    Tensor<T, D> mask_logits;           // [masks, vocab]
    Tensor<T, D> next_sentence_logits;  // [sequences, 2]; column 0: the second text follows the first
  };
  /// Both heads after one pass through the encoder. Throws TransformerEncoder::forward's, [cloze.encoder.5].
  Output forward(const PackedBatch& batch, const ForwardContext& context = {}) const;
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

  Linear<T, D> pooler_;
  Linear<T, D> next_sentence_;
};

template <Scalar T, Device D>
auto BertForPreTraining<T, D>::forward(const PackedBatch& batch, const ForwardContext& context) const -> Output {
  const std::vector<Index> firsts = this->first_rows(batch);
  std::vector<Index> rows;  // of both, each once
  std::ranges::set_union(firsts, batch.mask_rows, std::back_inserter(rows));
  const auto hidden = this->encoder_.forward_rows(batch, rows, context);  // [rows, hidden]
  const auto pick = [&](const std::vector<Index>& wanted) {
    std::vector<Index> at;
    for (const Index row : wanted) at.push_back(std::ranges::lower_bound(rows, row) - rows.begin());
    return gather_rows(hidden, std::span<const Index>(at));
  };
  return {this->head_(pick(batch.mask_rows)), next_sentence_(pooler_(pick(firsts), Activation::tanh))};
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

 private:
  using EncoderForSequenceClassification<T, D>::EncoderForSequenceClassification;
};

}  // namespace cloze
