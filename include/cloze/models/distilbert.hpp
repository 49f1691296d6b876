// DistilBERT: masked LM and sequence classification.
#pragma once

#include <cloze/models/masked_lm.hpp>
#include <cloze/models/sequence_classification.hpp>

namespace cloze {

template <Scalar T, Device D = Cpu>
class DistilBertForMaskedLM : public EncoderForMaskedLM<T, D> {
 public:
  /// Errors: read_pretrained_config's, WeightSource's and PretrainedFolder's.
  static DistilBertForMaskedLM from_pretrained(const std::filesystem::path& folder, const LoadOptions& options = {}) {
    DistilBertForMaskedLM model(read_pretrained_config(folder, {&distilbert_architecture()}), options);
    model.load(folder);
    return model;
  }
  /// Fresh weights: initialize_parameters(). Errors: [cloze.config.4] a config of another architecture.
  static DistilBertForMaskedLM from_config(const EncoderConfig& config, const Rng& rng,
                                           const LoadOptions& options = {}) {
    DistilBertForMaskedLM model(config, options);
    model.draw(rng, &distilbert_architecture());
    return model;
  }

 private:
  using EncoderForMaskedLM<T, D>::EncoderForMaskedLM;
};

template <Scalar T, Device D = Cpu>
class DistilBertForSequenceClassification : public EncoderForSequenceClassification<T, D> {
 public:
  /// Errors: as DistilBertForMaskedLM, and [cloze.classification.1].
  static DistilBertForSequenceClassification from_pretrained(const std::filesystem::path& folder,
                                                             const ClassificationOptions& options = {}) {
    DistilBertForSequenceClassification model(read_pretrained_config(folder, {&distilbert_architecture()}), options);
    model.load(folder, options);
    return model;
  }
  /// Fresh weights: initialize_parameters(). Errors: [cloze.config.4] a config of another architecture.
  static DistilBertForSequenceClassification from_config(const EncoderConfig& config, const Rng& rng,
                                                         const ClassificationOptions& options = {}) {
    DistilBertForSequenceClassification model(config, options);
    model.draw(rng, &distilbert_architecture());
    return model;
  }

 private:
  using EncoderForSequenceClassification<T, D>::EncoderForSequenceClassification;
};

}  // namespace cloze
