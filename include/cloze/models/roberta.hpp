// RoBERTa and XLM-RoBERTa: masked LM and sequence classification.
#pragma once

#include <cloze/models/masked_lm.hpp>
#include <cloze/models/sequence_classification.hpp>

namespace cloze {

template <Scalar T, Device D = Cpu>
class RobertaForMaskedLM : public EncoderForMaskedLM<T, D> {
 public:
  /// Errors: read_pretrained_config's, WeightSource's and PretrainedFolder's.
  static RobertaForMaskedLM from_pretrained(const std::filesystem::path& folder, const LoadOptions& options = {}) {
    RobertaForMaskedLM model(read_pretrained_config(folder, {&roberta_architecture()}), options);
    model.load(folder);
    return model;
  }
  /// Fresh weights: initialize_parameters(). Errors: [cloze.config.4] a config of another architecture.
  static RobertaForMaskedLM from_config(const EncoderConfig& config, const Rng& rng, const LoadOptions& options = {}) {
    RobertaForMaskedLM model(config, options);
    model.draw(rng, &roberta_architecture());
    return model;
  }

 private:
  using EncoderForMaskedLM<T, D>::EncoderForMaskedLM;
};

template <Scalar T, Device D = Cpu>
class RobertaForSequenceClassification : public EncoderForSequenceClassification<T, D> {
 public:
  /// Errors: as RobertaForMaskedLM, and [cloze.classification.1].
  static RobertaForSequenceClassification from_pretrained(const std::filesystem::path& folder,
                                                          const ClassificationOptions& options = {}) {
    RobertaForSequenceClassification model(read_pretrained_config(folder, {&roberta_architecture()}), options);
    model.load(folder, options);
    return model;
  }
  /// Fresh weights: initialize_parameters(). Errors: [cloze.config.4] a config of another architecture.
  static RobertaForSequenceClassification from_config(const EncoderConfig& config, const Rng& rng,
                                                      const ClassificationOptions& options = {}) {
    RobertaForSequenceClassification model(config, options);
    model.draw(rng, &roberta_architecture());
    return model;
  }

 private:
  using EncoderForSequenceClassification<T, D>::EncoderForSequenceClassification;
};

}  // namespace cloze
