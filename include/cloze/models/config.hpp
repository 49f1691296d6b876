// EncoderConfig: what config.json says of a BERT-like model, read strictly.
#pragma once

#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/json.hpp>
#include <cloze/models/architecture.hpp>

namespace cloze {

struct EncoderConfig {
  const EncoderArchitecture* architecture = nullptr;
  std::string model_type;
  Index vocab_size = 0;
  Index hidden_size = 0;
  Index layers = 0;
  Index heads = 0;
  Index intermediate_size = 0;
  Index max_positions = 0;    // rows of the position table
  Index position_offset = 0;  // the first position's row: RoBERTa's positions begin after the padding id
  Index segment_types = 0;    // 0: the architecture has no segments
  Activation activation = Activation::gelu;
  Activation head_activation = Activation::gelu;  // of the masked-LM head
  double layer_norm_eps = 1e-12;
  DropoutRates dropout{};
  double initializer_range = 0.02;  // deviation of fresh weights
  bool tie_word_embeddings = true;
  Index num_labels = 2;
  nlohmann::json json;  // the file as it was read, for save_pretrained
  std::string where;    // its path, for messages

  /// The longest sequence that the model takes, in tokens.
  Index max_length() const { return max_positions - position_offset; }
  /// "BertForMaskedLM" for class_suffix "ForMaskedLM".
  std::string class_name(std::string_view class_suffix) const {
    for (const auto& type : architecture->types)
      if (type.model_type == model_type) return type.class_prefix + std::string(class_suffix);
    return std::string(class_suffix);
  }
};

namespace detail {

/// Reads the fields of one config.json with their limits.
class ConfigReader {
 public:
  ConfigReader(const nlohmann::json& json, const std::string& where) : json_(json), where_(where) {}

  Index count(const std::string& key, Index least, Index most) const {
    return checked_count(key, json_get<Index>(json_, key, where_), least, most);
  }
  double probability(const std::string& key) const {
    return checked_probability(key, json_get<double>(json_, key, where_));
  }
  double probability_or(const std::string& key, double otherwise) const {
    return checked_probability(key, json_get_or<double>(json_, key, otherwise, where_));
  }
  double positive(const std::string& key) const {
    const double value = json_get<double>(json_, key, where_);
    require(std::isfinite(value) && value > 0, "cloze.config.1", "{}: \"{}\": wanted a positive number, found {}",
            where_, key, value);
    return value;
  }
  Activation activation(const std::string& key) const {
    const auto name = json_get<std::string>(json_, key, where_);
    try {
      return activation_named(name);
    } catch (const Error& error) {
      fail("cloze.config.2", "{}: \"{}\": {}", where_, key, error.what());
    }
  }
  /// Refuses a setting that would change the computation in a way that is not implemented; `harmless`: values that do
  /// not, as JSON text.
  void refuse(const std::string& key, std::initializer_list<std::string_view> harmless) const {
    const nlohmann::json* at = json_find(json_, key);
    if (at == nullptr || at->is_null()) return;
    const std::string found = at->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    for (const std::string_view value : harmless)
      if (found == value) return;
    fail("cloze.config.3", "{}: \"{}\": {} is not supported", where_, key, found.substr(0, 100));
  }
  Index checked_count(const std::string& key, Index value, Index least, Index most) const {
    require(value >= least && value <= most, "cloze.config.1", "{}: \"{}\": wanted {} to {}, found {}", where_, key,
            least, most, value);
    return value;
  }

 private:
  double checked_probability(const std::string& key, double value) const {
    require(value >= 0 && value < 1, "cloze.config.1", "{}: \"{}\": wanted a probability in [0, 1), found {}", where_,
            key, value);
    return value;
  }

  const nlohmann::json& json_;
  const std::string& where_;
};

/// num_labels, or the size of id2label (how Hugging Face saves it), or 2 (its default).
inline Index read_num_labels(const nlohmann::json& json, const std::string& where) {
  const auto names = json_get_or<nlohmann::json>(json, "id2label", nlohmann::json(), where);
  require(names.is_null() || names.is_object(), "cloze.json.2", "{}: \"id2label\": wanted an object, found {}", where,
          names.type_name());
  const Index named = names.is_null() ? 2 : static_cast<Index>(names.size());
  const Index labels = json_get_or<Index>(json, "num_labels", named, where);
  require(labels >= 1 && labels <= 1'000'000 && (names.is_null() || labels == named), "cloze.config.1",
          "{}: wanted \"num_labels\" of at least 1 that agrees with \"id2label\" ({} names), found {}", where, named,
          labels);
  return labels;
}

}  // namespace detail

/// The model_type of a folder's config.json. Errors: read_json's and json_get's.
inline std::string read_model_type(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  return json_get<std::string>(read_json(path), "model_type", path.string());
}

/// Reads a parsed config.json as one of `accepted`; `where` names it in errors. Nothing that matters is guessed: a
/// field that is missing or of another type is an error that names file and field. Only these have defaults, as in
/// Hugging Face: tie_word_embeddings (true), classifier_dropout (that of the hidden layers), initializer_range (0.02),
/// num_labels (2). Errors: [cloze.json.2] a field missing or of another type, [cloze.config.1] a value out of range,
/// [cloze.config.2] an unknown activation, [cloze.config.3] a setting that is not supported, [cloze.config.4] another
/// model_type, [cloze.config.5] heads that do not divide the hidden size.
inline EncoderConfig encoder_config(nlohmann::json source, std::string name,
                                    const std::vector<const EncoderArchitecture*>& accepted = encoder_architectures()) {
  EncoderConfig config;
  config.where = std::move(name);
  const std::string& where = config.where;
  config.json = std::move(source);
  const nlohmann::json& json = config.json;
  config.model_type = json_get<std::string>(json, "model_type", where);
  std::string supported;
  for (const EncoderArchitecture* candidate : accepted) {
    for (const auto& type : candidate->types) {
      supported += (supported.empty() ? "" : ", ") + type.model_type;
      if (type.model_type == config.model_type) config.architecture = candidate;
    }
  }
  require(config.architecture != nullptr, "cloze.config.4", "{}: \"model_type\": wanted one of {}, found \"{}\"", where,
          supported, config.model_type);
  const EncoderArchitecture& architecture = *config.architecture;
  const ConfigKeys& keys = architecture.keys;
  const detail::ConfigReader read(json, where);

  read.refuse("position_embedding_type", {"\"absolute\""});
  read.refuse("sinusoidal_pos_embds", {"false", "true"});  // only how the table was first filled
  read.refuse("is_decoder", {"false"});
  read.refuse("is_encoder_decoder", {"false"});
  read.refuse("add_cross_attention", {"false"});
  read.refuse("embedding_size", {json_get<nlohmann::json>(json, keys.hidden_size, where).dump()});
  read.refuse("quantization_config", {});
  read.refuse("pruned_heads", {"{}"});

  config.vocab_size = read.count("vocab_size", 1, Index{1} << 31);
  config.hidden_size = read.count(keys.hidden_size, 1, 1 << 16);
  config.layers = read.count(keys.layers, 1, 1024);
  config.heads = read.count(keys.heads, 1, config.hidden_size);
  require(config.hidden_size % config.heads == 0, "cloze.config.5",
          "{}: \"{}\" {} does not divide \"{}\" {}: every head needs the same size", where, keys.heads, config.heads,
          keys.hidden_size, config.hidden_size);
  config.intermediate_size = read.count(keys.intermediate_size, 1, 1 << 20);
  config.max_positions = read.count("max_position_embeddings", 1, 1 << 24);
  if (!keys.segment_types.empty()) config.segment_types = read.count(keys.segment_types, 1, 1 << 16);
  config.activation = read.activation(keys.activation);
  config.head_activation = architecture.head_uses_gelu ? Activation::gelu : config.activation;
  if (!keys.layer_norm_eps.empty()) config.layer_norm_eps = read.positive(keys.layer_norm_eps);
  config.dropout.hidden = read.probability(keys.hidden_dropout);
  config.dropout.attention = read.probability(keys.attention_dropout);
  config.dropout.classifier = read.probability_or(keys.classifier_dropout, config.dropout.hidden);
  if (architecture.positions_after_padding)
    config.position_offset = read.count("pad_token_id", 0, config.max_positions - 2) + 1;
  if (json_find(json, "initializer_range") != nullptr) config.initializer_range = read.positive("initializer_range");
  config.tie_word_embeddings = json_get_or<bool>(json, "tie_word_embeddings", true, where);
  config.num_labels = detail::read_num_labels(json, where);
  return config;
}

/// The same for folder/config.json. Errors: read_json's and encoder_config's.
inline EncoderConfig read_encoder_config(
    const std::filesystem::path& folder,
    const std::vector<const EncoderArchitecture*>& accepted = encoder_architectures()) {
  return encoder_config(read_json(folder / "config.json"), (folder / "config.json").string(), accepted);
}

}  // namespace cloze
