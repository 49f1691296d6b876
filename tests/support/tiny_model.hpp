// Hugging Face folders of tiny random models, written without the library's own tables of names, to be read or spoilt.
#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <cloze/batch/packed_batch.hpp>
#include <cloze/core/json.hpp>
#include <cloze/io/safetensors_writer.hpp>

#include "support/temporary.hpp"

namespace cloze::test {

struct TinyTensor {
  std::vector<Index> extents;
  std::vector<float> values;
};

/// A folder in memory: change `config` or `tensors`, then write().
struct TinyModel {
  nlohmann::json config;
  std::map<std::string, TinyTensor> tensors;

  void add(const std::string& name, std::vector<Index> extents) {
    Index size = 1;
    for (const Index extent : extents) size *= extent;
    TinyTensor tensor{std::move(extents), std::vector<float>(static_cast<std::size_t>(size))};
    const double seed = static_cast<double>(tensors.size());
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      const double x = std::sin(12.9898 * static_cast<double>(i + 1) + 78.233 * seed) * 43758.5453;
      tensor.values[i] = static_cast<float>((x - std::floor(x) - 0.5) * 0.6);
    }
    tensors[name] = std::move(tensor);
  }
  void linear(const std::string& name, Index in, Index out) {
    add(name + ".weight", {out, in});
    add(name + ".bias", {out});
  }
  void norm(const std::string& name, Index size) {
    add(name + ".weight", {size});
    for (float& x : tensors[name + ".weight"].values) x += 1;
    add(name + ".bias", {size});
  }
  void rename(const std::string& from, const std::string& to) {
    auto node = tensors.extract(from);
    node.key() = to;
    tensors.insert(std::move(node));
  }

  /// Writes config.json and model.safetensors.
  void write(const std::filesystem::path& folder) const {
    std::filesystem::create_directories(folder);
    write_file_atomically(folder / "config.json", config.dump(1));
    SafetensorsWriter writer;
    writer.set_metadata("format", "pt");
    for (const auto& [name, tensor] : tensors)
      writer.add(name, Shape(std::span<const Index>(tensor.extents)), std::span<const float>(tensor.values));
    writer.write(folder / "model.safetensors");
  }
};

inline constexpr Index tiny_vocab = 29, tiny_hidden = 12, tiny_inner = 20, tiny_positions = 24, tiny_layers = 2;

namespace detail {

inline void add_encoder(TinyModel& model, const std::string& prefix, Index segment_types) {
  model.add(prefix + "embeddings.word_embeddings.weight", {tiny_vocab, tiny_hidden});
  model.add(prefix + "embeddings.position_embeddings.weight", {tiny_positions, tiny_hidden});
  model.add(prefix + "embeddings.token_type_embeddings.weight", {segment_types, tiny_hidden});
  model.norm(prefix + "embeddings.LayerNorm", tiny_hidden);
  for (Index i = 0; i < tiny_layers; ++i) {
    const std::string layer = prefix + "encoder.layer." + std::to_string(i) + ".";
    for (const char* part : {"query", "key", "value"})
      model.linear(layer + "attention.self." + part, tiny_hidden, tiny_hidden);
    model.linear(layer + "attention.output.dense", tiny_hidden, tiny_hidden);
    model.norm(layer + "attention.output.LayerNorm", tiny_hidden);
    model.linear(layer + "intermediate.dense", tiny_hidden, tiny_inner);
    model.linear(layer + "output.dense", tiny_inner, tiny_hidden);
    model.norm(layer + "output.LayerNorm", tiny_hidden);
  }
}

inline nlohmann::json bert_config(const std::string& type, Index segment_types) {
  return {{"model_type", type},
          {"vocab_size", tiny_vocab},
          {"hidden_size", tiny_hidden},
          {"num_hidden_layers", tiny_layers},
          {"num_attention_heads", 3},
          {"intermediate_size", tiny_inner},
          {"hidden_act", "gelu"},
          {"max_position_embeddings", tiny_positions},
          {"type_vocab_size", segment_types},
          {"layer_norm_eps", 1e-12},
          {"hidden_dropout_prob", 0.1},
          {"attention_probs_dropout_prob", 0.1},
          {"pad_token_id", type == "bert" ? 0 : 1}};
}

}  // namespace detail

inline TinyModel tiny_bert() {
  TinyModel model;
  model.config = detail::bert_config("bert", 2);
  detail::add_encoder(model, "bert.", 2);
  model.linear("cls.predictions.transform.dense", tiny_hidden, tiny_hidden);
  model.norm("cls.predictions.transform.LayerNorm", tiny_hidden);
  model.add("cls.predictions.bias", {tiny_vocab});
  return model;
}

inline TinyModel tiny_roberta() {
  TinyModel model;
  model.config = detail::bert_config("roberta", 1);
  detail::add_encoder(model, "roberta.", 1);
  model.linear("lm_head.dense", tiny_hidden, tiny_hidden);
  model.norm("lm_head.layer_norm", tiny_hidden);
  model.add("lm_head.bias", {tiny_vocab});
  return model;
}

inline TinyModel tiny_distilbert() {
  TinyModel model;
  model.config = {{"model_type", "distilbert"},
                  {"vocab_size", tiny_vocab},
                  {"dim", tiny_hidden},
                  {"n_layers", tiny_layers},
                  {"n_heads", 3},
                  {"hidden_dim", tiny_inner},
                  {"activation", "gelu"},
                  {"max_position_embeddings", tiny_positions},
                  {"dropout", 0.1},
                  {"attention_dropout", 0.1},
                  {"seq_classif_dropout", 0.2}};
  model.add("distilbert.embeddings.word_embeddings.weight", {tiny_vocab, tiny_hidden});
  model.add("distilbert.embeddings.position_embeddings.weight", {tiny_positions, tiny_hidden});
  model.norm("distilbert.embeddings.LayerNorm", tiny_hidden);
  for (Index i = 0; i < tiny_layers; ++i) {
    const std::string layer = "distilbert.transformer.layer." + std::to_string(i) + ".";
    for (const char* part : {"q_lin", "k_lin", "v_lin", "out_lin"})
      model.linear(layer + "attention." + part, tiny_hidden, tiny_hidden);
    model.norm(layer + "sa_layer_norm", tiny_hidden);
    model.linear(layer + "ffn.lin1", tiny_hidden, tiny_inner);
    model.linear(layer + "ffn.lin2", tiny_inner, tiny_hidden);
    model.norm(layer + "output_layer_norm", tiny_hidden);
  }
  model.linear("vocab_transform", tiny_hidden, tiny_hidden);
  model.norm("vocab_layer_norm", tiny_hidden);
  model.add("vocab_projector.bias", {tiny_vocab});
  return model;
}

/// Sequences of these lengths with uneven ids below tiny_vocab; every third token is a mask, and at least one is.
inline PackedBatch tiny_batch(const std::vector<Index>& lengths, Index segment_types = 1) {
  PackedBatch batch;
  Index seed = 3;
  for (const Index length : lengths) {
    Prompt prompt;
    for (Index i = 0; i < length; ++i) {
      seed = (seed * 7 + 5 * i + 11) % 1009;
      prompt.ids.push_back(static_cast<TokenId>(2 + seed % (tiny_vocab - 2)));
      prompt.segments.push_back(segment_types > 1 && 2 * i >= length ? 1 : 0);
      if (i % 3 == length % 3 || length == 1) prompt.masks.push_back(i);
    }
    batch.append(prompt);
  }
  return batch;
}

}  // namespace cloze::test
