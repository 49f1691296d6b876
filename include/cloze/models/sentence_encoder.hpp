// SentenceEncoder: one vector per text, the normalised mean of its last hidden states (sentence-transformers' recipe).
// Reimers and Gurevych, "Sentence-BERT", 2019.
#pragma once

#include <cmath>

#include <cloze/autograd/reduce.hpp>
#include <cloze/models/encoder_model.hpp>

namespace cloze {

template <Scalar T, Device D = Cpu>
class SentenceEncoder : public EncoderModel<T, D> {
 public:
  /// Reads any encoder's folder; heads in it are left unused. Where 1_Pooling/config.json is there, it must say mean.
  /// Errors: read_pretrained_config's, WeightSource's, PretrainedFolder's, and [cloze.sentence_encoder.1] another
  /// pooling.
  static SentenceEncoder from_pretrained(const std::filesystem::path& folder, const LoadOptions& options = {}) {
    const auto pooling = folder / "1_Pooling" / "config.json";
    if (std::filesystem::exists(pooling)) {
      const auto json = read_json(pooling);
      for (const auto& [key, value] : json_members(json, pooling.string())) {
        const std::string_view wanted = key == "pooling_mode_mean_tokens" ? "true" : "false";
        require(!key.starts_with("pooling_mode_") || value.dump() == wanted, "cloze.sentence_encoder.1",
                "{}: \"{}\" is {}: only the mean over all tokens is supported", pooling.string(), key, value.dump());
      }
    }
    SentenceEncoder model(read_pretrained_config(folder), options);
    PretrainedFolder files(folder, model.prefix());
    model.load(files);
    return model;
  }

  /// Fresh weights: initialize_parameters().
  static SentenceEncoder from_config(const EncoderConfig& config, const Rng& rng, const LoadOptions& options = {}) {
    SentenceEncoder model(config, options);
    model.draw(rng, nullptr);
    return model;
  }

  /// The mean of each sequence's hidden states, differentiable.   ->  [sequences, hidden]; an empty sequence: zeros
  Tensor<T, D> mean_hidden(const PackedBatch& batch, const ForwardContext& context = {}) const {
    return segment_mean(this->encoder_.forward(batch, context), batch.cu_seqlens);
  }

  /// The same at length 1, for comparing by dot product; records nothing.   ->  [sequences, hidden]
  Tensor<T, D> encode(const PackedBatch& batch) const {
    const NoGrad no_grad;
    const auto mean = mean_hidden(batch);
    std::vector<T> values = mean.to_vector();
    const auto columns = static_cast<std::size_t>(this->config_.hidden_size);
    for (std::size_t begin = 0; begin < values.size(); begin += columns) {
      double squares = 0;
      for (std::size_t i = begin; i < begin + columns; ++i) squares += double(values[i]) * double(values[i]);
      const double length = std::max(std::sqrt(squares), 1e-12);
      for (std::size_t i = begin; i < begin + columns; ++i) values[i] = static_cast<T>(double(values[i]) / length);
    }
    return Tensor<T, D>::from(values, mean.shape());
  }

 private:
  SentenceEncoder(const EncoderConfig& config, const LoadOptions& options)
      : EncoderModel<T, D>(config, "Model", options) {
    this->encoder_.visit("", config.architecture->encoder, this->adder());
  }
};

}  // namespace cloze
