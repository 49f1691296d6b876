// AutoModelForMaskedLM and AutoModelForSequenceClassification: the class is chosen by config.json at run time.
#pragma once

#include <utility>
#include <variant>

#include <cloze/models/bert.hpp>
#include <cloze/models/distilbert.hpp>
#include <cloze/models/roberta.hpp>

namespace cloze {

namespace detail {

/// Loads the class of `Variant` whose architecture owns the folder's model_type. read_encoder_config throws
/// [cloze.config.4], which lists the supported types, on any other.
template <class Variant, class Bert, class Roberta, class DistilBert, class Options>
Variant load_by_type(const std::filesystem::path& folder, const Options& options) {
  const EncoderArchitecture* found = read_encoder_config(folder).architecture;
  if (found == &roberta_architecture()) return Roberta::from_pretrained(folder, options);
  if (found == &distilbert_architecture()) return DistilBert::from_pretrained(folder, options);
  return Bert::from_pretrained(folder, options);
}

/// The same for a config alone, with fresh weights.
template <class Variant, class Bert, class Roberta, class DistilBert, class Options>
Variant draw_by_type(const EncoderConfig& config, const Rng& rng, const Options& options) {
  if (config.architecture == &roberta_architecture()) return Roberta::from_config(config, rng, options);
  if (config.architecture == &distilbert_architecture()) return DistilBert::from_config(config, rng, options);
  return Bert::from_config(config, rng, options);
}

}  // namespace detail

/// A model whose class was chosen at run time. Every function is that of the class inside.
template <class V>
class AutoModel {
 public:
  using Variant = V;
  using value_type = typename std::variant_alternative_t<0, V>::value_type;
  using device = typename std::variant_alternative_t<0, V>::device;

  explicit AutoModel(V model) : model_(std::move(model)) {}

  ParameterList<value_type, device> parameters() const {
    return std::visit([](const auto& model) { return model.parameters(); }, model_);
  }
  std::vector<StateEntry<value_type, device>> state_dict() const {
    return std::visit([](const auto& model) { return model.state_dict(); }, model_);
  }
  void save_pretrained(const std::filesystem::path& folder) const {
    std::visit([&](const auto& model) { model.save_pretrained(folder); }, model_);
  }
  const EncoderConfig& config() const {
    return std::visit([](const auto& model) -> const EncoderConfig& { return model.config(); }, model_);
  }
  const LoadReport& load_report() const {
    return std::visit([](const auto& model) -> const LoadReport& { return model.load_report(); }, model_);
  }
  DropoutRates& dropout() {
    return std::visit([](auto& model) -> DropoutRates& { return model.dropout(); }, model_);
  }
  /// The class inside, for what only it has.
  const V& variant() const { return model_; }

 protected:
  V model_;
};

/// Any masked language model that the library reads, as one type.
template <Scalar T, Device D = Cpu>
class AutoModelForMaskedLM
    : public AutoModel<std::variant<BertForMaskedLM<T, D>, RobertaForMaskedLM<T, D>, DistilBertForMaskedLM<T, D>>> {
  using Base = AutoModel<std::variant<BertForMaskedLM<T, D>, RobertaForMaskedLM<T, D>, DistilBertForMaskedLM<T, D>>>;

 public:
  using Base::Base;

  /// Errors: the class's own from_pretrained's; [cloze.config.4] an unsupported model_type.
  static AutoModelForMaskedLM from_pretrained(const std::filesystem::path& folder, const LoadOptions& options = {}) {
    return AutoModelForMaskedLM(
        detail::load_by_type<typename Base::Variant, BertForMaskedLM<T, D>, RobertaForMaskedLM<T, D>,
                             DistilBertForMaskedLM<T, D>>(folder, options));
  }
  /// Fresh weights: initialize_parameters().
  static AutoModelForMaskedLM from_config(const EncoderConfig& config, const Rng& rng,
                                          const LoadOptions& options = {}) {
    return AutoModelForMaskedLM(
        detail::draw_by_type<typename Base::Variant, BertForMaskedLM<T, D>, RobertaForMaskedLM<T, D>,
                             DistilBertForMaskedLM<T, D>>(config, rng, options));
  }

  Tensor<T, D> mask_scores(const PackedBatch& batch, std::span<const TokenId> words,
                           const ForwardContext& context = {}) const {
    return std::visit([&](const auto& model) { return model.mask_scores(batch, words, context); }, this->model_);
  }
  Tensor<T, D> mask_logits(const PackedBatch& batch, const ForwardContext& context = {}) const {
    return std::visit([&](const auto& model) { return model.mask_logits(batch, context); }, this->model_);
  }
  Tensor<T, D> mask_loss(const PackedBatch& batch, const ForwardContext& context = {}) const {
    return std::visit([&](const auto& model) { return model.mask_loss(batch, context); }, this->model_);
  }
  Tensor<T, D> logits(const PackedBatch& batch, const ForwardContext& context = {}) const {
    return std::visit([&](const auto& model) { return model.logits(batch, context); }, this->model_);
  }
};

/// Any sequence classification model that the library reads, as one type.
template <Scalar T, Device D = Cpu>
class AutoModelForSequenceClassification
    : public AutoModel<std::variant<BertForSequenceClassification<T, D>, RobertaForSequenceClassification<T, D>,
                                    DistilBertForSequenceClassification<T, D>>> {
  using Base = AutoModel<std::variant<BertForSequenceClassification<T, D>, RobertaForSequenceClassification<T, D>,
                                      DistilBertForSequenceClassification<T, D>>>;

 public:
  using Base::Base;

  /// Errors: the class's own from_pretrained's; [cloze.config.4] an unsupported model_type.
  static AutoModelForSequenceClassification from_pretrained(const std::filesystem::path& folder,
                                                            const ClassificationOptions& options = {}) {
    return AutoModelForSequenceClassification(
        detail::load_by_type<typename Base::Variant, BertForSequenceClassification<T, D>,
                             RobertaForSequenceClassification<T, D>, DistilBertForSequenceClassification<T, D>>(
            folder, options));
  }
  /// Fresh weights: initialize_parameters().
  static AutoModelForSequenceClassification from_config(const EncoderConfig& config, const Rng& rng,
                                                        const ClassificationOptions& options = {}) {
    return AutoModelForSequenceClassification(
        detail::draw_by_type<typename Base::Variant, BertForSequenceClassification<T, D>,
                             RobertaForSequenceClassification<T, D>, DistilBertForSequenceClassification<T, D>>(
            config, rng, options));
  }

  Tensor<T, D> logits(const PackedBatch& batch, const ForwardContext& context = {}) const {
    return std::visit([&](const auto& model) { return model.logits(batch, context); }, this->model_);
  }
  Index num_labels() const { return this->config().num_labels; }
};

}  // namespace cloze
