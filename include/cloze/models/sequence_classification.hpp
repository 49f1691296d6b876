// EncoderForSequenceClassification: an encoder with a classification head on the first token: standard fine-tuning.
#pragma once

#include <cstdint>

#include <cloze/autograd/dropout.hpp>
#include <cloze/core/error.hpp>
#include <cloze/models/encoder_model.hpp>

namespace cloze {

/// Settings of from_pretrained for classification models.
struct ClassificationOptions {
  std::optional<Index> num_labels{};             // default: config.json's
  std::optional<std::uint64_t> new_head_seed{};  // draw a fresh head; default: the head must be in the file
  std::optional<DropoutRates> dropout{};         // instead of config.json's
};

/// Logits of every class for every sequence; with one label, a regression.
template <Scalar T, Device D = Cpu>
class EncoderForSequenceClassification : public EncoderModel<T, D> {
 public:
  /// ->  [sequences, labels].   Of the last layer only the first rows are computed.
  /// Throws what TransformerEncoder::forward throws, and [cloze.encoder.5] where a sequence is empty.
  Tensor<T, D> logits(const PackedBatch& batch, const ForwardContext& context = {}) const;
  Index num_labels() const { return config_.num_labels; }

 protected:
  EncoderForSequenceClassification(const EncoderConfig& config, const ClassificationOptions& options);
  /// Throws PretrainedFolder's errors; a head missing from the file is one of them unless a fresh one is asked for.
  void load(const std::filesystem::path& folder, const ClassificationOptions& options);
  void draw(const Rng& rng, const EncoderArchitecture* wanted) {
    dense_.visit(config_.architecture->classification.dense, this->adder());
    output_.visit(config_.architecture->classification.output, this->adder());
    EncoderModel<T, D>::draw(rng, wanted);
  }

  using EncoderModel<T, D>::encoder_;
  using EncoderModel<T, D>::config_;

 private:
  static EncoderConfig with_labels(EncoderConfig config, const ClassificationOptions& options);

  Linear<T, D> dense_;   // [hidden, hidden] BERT's pooler, RoBERTa's dense, DistilBERT's pre_classifier
  Linear<T, D> output_;  // [labels, hidden]
};

template <Scalar T, Device D>
EncoderForSequenceClassification<T, D>::EncoderForSequenceClassification(const EncoderConfig& config,
                                                                         const ClassificationOptions& options)
    : EncoderModel<T, D>(with_labels(config, options), "ForSequenceClassification", LoadOptions{options.dropout}),
      dense_(config_.hidden_size, config_.hidden_size),
      output_(config_.hidden_size, config_.num_labels) {
  const EncoderArchitecture& architecture = *config_.architecture;
  encoder_.visit(this->prefix(), architecture.encoder, this->adder());
}

template <Scalar T, Device D>
EncoderConfig EncoderForSequenceClassification<T, D>::with_labels(EncoderConfig config,
                                                                  const ClassificationOptions& options) {
  const Index wanted = options.num_labels.value_or(config.num_labels);
  require(wanted >= 1, "cloze.classification.1", "a classification model needs at least 1 label, not {}", wanted);
  require(wanted == config.num_labels || options.new_head_seed, "cloze.classification.1",
          "{}: the head has {} labels, {} are wanted: give new_head_seed for a fresh head", config.where,
          config.num_labels, wanted);
  if (wanted == config.num_labels) return config;
  config.num_labels = wanted;
  config.json.erase("num_labels");
  auto& names = config.json["id2label"] = json_object();
  auto& ids = config.json["label2id"] = json_object();
  for (Index i = 0; i < wanted; ++i) {
    names[std::to_string(i)] = formatted("LABEL_{}", i);
    ids[formatted("LABEL_{}", i)] = i;
  }
  return config;
}

template <Scalar T, Device D>
void EncoderForSequenceClassification<T, D>::load(const std::filesystem::path& folder,
                                                  const ClassificationOptions& options) {
  const ClassificationHeadNames& names = config_.architecture->classification;
  PretrainedFolder files(folder, this->prefix());
  const auto in_file = [&](const Linear<T, D>& part, const std::string& name) { part.visit(name, this->adder()); };
  std::vector<ParameterSlot<T, D>> fresh;
  const auto drawn = [&](Linear<T, D>& part, const std::string& name, Rng& rng) {
    part.initialize(config_.initializer_range, rng);
    part.visit(name, [&](const ParameterSlot<T, D>& slot) {
      fresh.push_back(slot);
      this->report_.fresh.push_back(slot.name);
    });
  };
  if (options.new_head_seed) {
    Rng rng(*options.new_head_seed, "new_head");
    if (names.pretrained_dense && files.find(names.dense + ".weight")) {
      in_file(dense_, names.dense);
    } else {
      drawn(dense_, names.dense, rng);
    }
    drawn(output_, names.output, rng);
  } else {
    in_file(dense_, names.dense);
    in_file(output_, names.output);
  }
  EncoderModel<T, D>::load(files);
  this->slots_.insert(this->slots_.end(), fresh.begin(), fresh.end());
}

template <Scalar T, Device D>
Tensor<T, D> EncoderForSequenceClassification<T, D>::logits(const PackedBatch& batch,
                                                            const ForwardContext& context) const {
  const ClassificationHeadNames& head = config_.architecture->classification;
  const double rate = encoder_.dropout.classifier;
  const auto drop = [&](const Tensor<T, D>& x) {
    const Dropout drawn = context.dropout(rate);
    return drawn.p > 0 ? cloze::dropout(x, drawn) : x;
  };
  auto x = encoder_.forward_rows(batch, this->first_rows(batch), context);  // [sequences, hidden]
  if (head.dropout_before) x = drop(x);
  return output_(drop(dense_(x, head.activation)));
}

}  // namespace cloze
