// EncoderModel: what every model around a TransformerEncoder shares: parameters, state dict, loading and saving.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cloze/io/safetensors_writer.hpp>
#include <cloze/models/encoder.hpp>
#include <cloze/models/pretrained.hpp>
#include <cloze/models/random_init.hpp>

namespace cloze {

/// What from_pretrained did besides reading what the model needs.
struct LoadReport {
  std::vector<std::string> unused;  // tensors of the file that the model has no place for, and will not save
  std::vector<std::string> fresh;   // parameters that were drawn anew, as the caller asked
};

/// Settings of from_pretrained.
struct LoadOptions {
  std::optional<DropoutRates> dropout{};  // instead of config.json's
};

/// read_encoder_config, and a look at the file's largest tensors: config.json alone must not decide how much memory is
/// taken. Throws read_encoder_config's, WeightSource's and PretrainedFolder's errors.
inline EncoderConfig read_pretrained_config(
    const std::filesystem::path& folder,
    const std::vector<const EncoderArchitecture*>& accepted = encoder_architectures()) {
  const EncoderConfig config = read_encoder_config(folder, accepted);
  const EncoderArchitecture& architecture = *config.architecture;
  const EncoderNames& names = architecture.encoder;
  const std::string& prefix = architecture.prefix;
  PretrainedFolder files(folder, prefix);
  files.add_alias(prefix + names.words + ".weight", architecture.mlm_head.decoder + ".weight");
  files.check(prefix + names.words + ".weight", {config.vocab_size, config.hidden_size});
  files.check(prefix + names.positions + ".weight", {config.max_positions, config.hidden_size});
  const std::string last_layer = prefix + names.layers + std::to_string(config.layers - 1) + ".";
  files.check(last_layer + names.layer.down + ".weight", {config.hidden_size, config.intermediate_size});
  if (config.segment_types > 0)
    files.check(prefix + names.segments + ".weight", {config.segment_types, config.hidden_size});
  return config;
}

/// Copies of a model share its parameters, as copies of a tensor do.
template <Scalar T, Device D = Cpu>
class EncoderModel {
 public:
  using value_type = T;
  using device = D;

  const EncoderConfig& config() const { return config_; }
  const TransformerEncoder<T, D>& encoder() const { return encoder_; }
  const LoadReport& load_report() const { return report_; }
  /// Rates of the next training passes. save_pretrained writes config.json's own.
  DropoutRates& dropout() { return encoder_.dropout; }
  const DropoutRates& dropout() const { return encoder_.dropout; }

  /// Every parameter once; queries, keys and values of a layer are one fused parameter. Tied weights are one.
  ParameterList<T, D> parameters() const { return parameter_list(slots_); }
  /// Every tensor by its Hugging Face name; a fused parameter comes apart into three slices of rows.
  std::vector<StateEntry<T, D>> state_dict() const { return state_entries(slots_); }

  /// Writes config.json and model.safetensors (in T's own precision), as Hugging Face's from_pretrained reads them. The
  /// folder is made where it is not there. Each file is replaced whole or not at all. Throws [cloze.file.3].
  void save_pretrained(const std::filesystem::path& folder) const;

 protected:
  /// `class_suffix`: "ForMaskedLM". Parameters unset: derived classes add theirs to slots_, then load().
  EncoderModel(EncoderConfig config, std::string class_suffix, const LoadOptions& options);

  void load(PretrainedFolder& folder);
  /// Instead of load(): fresh weights. Throws [cloze.config.4] where the config is of another architecture than
  /// `wanted` (null: any).
  void draw(const Rng& rng, const EncoderArchitecture* wanted);
  std::string prefix() const { return config_.architecture->prefix; }
  /// Appends to slots_: the visitor for a derived class's own parts.
  ParameterVisitor<T, D> adder() {
    return [this](const ParameterSlot<T, D>& slot) { slots_.push_back(slot); };
  }
  /// The first row of every sequence, [CLS]. Throws [cloze.encoder.5] where a sequence is empty.
  static List<Index> first_rows(const PackedBatch& batch);

  EncoderConfig config_;
  std::string class_suffix_;
  TransformerEncoder<T, D> encoder_;
  std::vector<ParameterSlot<T, D>> slots_;
  LoadReport report_;
};

template <Scalar T, Device D>
EncoderModel<T, D>::EncoderModel(EncoderConfig config, std::string class_suffix, const LoadOptions& options)
    : config_(std::move(config)), class_suffix_(std::move(class_suffix)), encoder_(config_) {
  if (options.dropout) encoder_.dropout = *options.dropout;
}

template <Scalar T, Device D>
void EncoderModel<T, D>::load(PretrainedFolder& folder) {
  folder.load(slots_);
  report_.unused = folder.unused();
}

template <Scalar T, Device D>
void EncoderModel<T, D>::draw(const Rng& rng, const EncoderArchitecture* wanted) {
  if (wanted != nullptr)
    require(config_.architecture == wanted, "cloze.config.4", "{}: \"model_type\": wanted one of {}, found \"{}\"",
            config_.where, wanted->name, config_.model_type);
  initialize_parameters(slots_, config_, rng);
  for (const auto& slot : slots_) report_.fresh.push_back(slot.name);
}

template <Scalar T, Device D>
void EncoderModel<T, D>::save_pretrained(const std::filesystem::path& folder) const {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  require(std::filesystem::is_directory(folder), "cloze.file.3", "{}: the folder cannot be made: {}", folder.string(),
          code ? code.message() : "there is a file of that name");
  SafetensorsWriter writer;
  writer.set_metadata("format", "pt");  // Hugging Face refuses files without this mark
  for (const auto& entry : state_dict()) writer.add(entry.name, entry.slice());
  writer.write(folder / "model.safetensors");

  nlohmann::json json = config_.json;
  json["architectures"] = {config_.class_name(class_suffix_)};
  json[json.contains("torch_dtype") ? "torch_dtype" : "dtype"] = sizeof(T) == 8 ? "float64" : "float32";
  write_file_atomically(folder / "config.json",
                        json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

template <Scalar T, Device D>
List<Index> EncoderModel<T, D>::first_rows(const PackedBatch& batch) {
  for (Index s = 0; s < batch.sequences(); ++s)
    require(batch.length(s) > 0, "cloze.encoder.5",
            "sequence {} of the batch is empty: its first token is wanted and it has none", s);
  return {batch.cu_seqlens.begin(), batch.cu_seqlens.end() - 1};
}

}  // namespace cloze
