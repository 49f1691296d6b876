// Models of the sizes that are measured, with random weights: speed does not depend on what the weights are.
#pragma once

#include <filesystem>
#include <string>

#include <cloze/core/rng.hpp>
#include <cloze/models/auto.hpp>

namespace cloze::bench {

/// config.json of "roberta-base", "roberta-large", "minilm-l6" (BERT, 6 layers of 384) or "tiny" (to see that
/// everything runs).
inline std::string model_config(const std::string& shape) {
  const auto with = [](const char* type, int vocab, int hidden, int layers, int heads, int positions, int types,
                       int padding) {
    return fmt::format(
        R"({{"model_type": "{}", "vocab_size": {}, "hidden_size": {}, "num_hidden_layers": {}, )"
        R"("num_attention_heads": {}, "intermediate_size": {}, "max_position_embeddings": {}, "type_vocab_size": {}, )"
        R"("pad_token_id": {}, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "hidden_dropout_prob": 0.1, )"
        R"("attention_probs_dropout_prob": 0.1, "initializer_range": 0.02}})",
        type, vocab, hidden, layers, heads, 4 * hidden, positions, types, padding);
  };
  if (shape == "roberta-base") return with("roberta", 50265, 768, 12, 12, 514, 1, 1);
  if (shape == "roberta-large") return with("roberta", 50265, 1024, 24, 16, 514, 1, 1);
  if (shape == "minilm-l6") return with("bert", 30522, 384, 6, 12, 512, 2, 0);
  if (shape == "tiny") return with("bert", 30522, 64, 2, 4, 512, 2, 0);
  fail("cloze.bench.1", "\"{}\" is no model size: roberta-base, roberta-large, minilm-l6 or tiny", shape);
}

/// Writes such a model as a Hugging Face folder, so that all sides of a comparison read the same weights; does nothing
/// where it is there already.
inline void write_random_model(const std::string& shape, const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "model.safetensors")) return;
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "config.json", model_config(shape) + "\n");
  AutoModelForMaskedLM<float>::from_config(read_encoder_config(folder), Rng(0, "weights")).save_pretrained(folder);
}

}  // namespace cloze::bench
