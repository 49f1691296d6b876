// config.json read strictly: every wrong field is named.
#include <cloze/models/config.hpp>

#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace cloze;
using test::TemporaryFolder;

namespace {

EncoderConfig read(const nlohmann::json& json) {
  const TemporaryFolder folder;
  folder.write("config.json", json.dump());
  return read_encoder_config(folder.path());
}

/// The message of the error that reading `json` gives.
std::string message(const nlohmann::json& json) {
  try {
    read(json);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

nlohmann::json with(nlohmann::json json, const std::string& key, nlohmann::json value) {
  json[key] = std::move(value);
  return json;
}

}  // namespace

TEST_CASE("a BERT config gives sizes, activation, rates and Hugging Face's defaults") {
  const auto config = read(test::tiny_bert().config);
  CHECK(config.architecture == &bert_architecture());
  CHECK(config.vocab_size == 29);
  CHECK(config.hidden_size == 12);
  CHECK(config.layers == 2);
  CHECK(config.heads == 3);
  CHECK(config.intermediate_size == 20);
  CHECK(config.segment_types == 2);
  CHECK(config.max_length() == 24);
  CHECK(config.activation == Activation::gelu);
  CHECK(config.dropout == DropoutRates{0.1, 0.1, 0.1});
  CHECK(config.initializer_range == 0.02);
  CHECK(config.tie_word_embeddings);
  CHECK(config.num_labels == 2);
  CHECK(config.class_name("ForMaskedLM") == "BertForMaskedLM");
}

TEST_CASE("RoBERTa's positions begin after the padding id, and its head always uses GELU") {
  const auto config = read(with(test::tiny_roberta().config, "hidden_act", "relu"));
  CHECK(config.position_offset == 2);
  CHECK(config.max_length() == 22);
  CHECK(config.activation == Activation::relu);
  CHECK(config.head_activation == Activation::gelu);
  const auto xlm = read(with(test::tiny_roberta().config, "model_type", "xlm-roberta"));
  CHECK(xlm.architecture == &roberta_architecture());
  CHECK(xlm.class_name("ForMaskedLM") == "XLMRobertaForMaskedLM");
}

TEST_CASE("DistilBERT's config has its own keys, no segments and a fixed eps") {
  const auto config = read(test::tiny_distilbert().config);
  CHECK(config.hidden_size == 12);
  CHECK(config.intermediate_size == 20);
  CHECK(config.segment_types == 0);
  CHECK(config.layer_norm_eps == 1e-12);
  CHECK(config.dropout == DropoutRates{0.1, 0.1, 0.2});
}

TEST_CASE("num_labels is the size of id2label, and the two must agree") {
  auto json = test::tiny_bert().config;
  json["id2label"] = {{"0", "a"}, {"1", "b"}, {"2", "c"}};
  CHECK(read(json).num_labels == 3);
  json["num_labels"] = 3;
  CHECK(read(json).num_labels == 3);
  json["num_labels"] = 2;
  REQUIRE_ERROR(read(json), "cloze.config.1");
  json["id2label"] = 7;
  REQUIRE_ERROR(read(json), "cloze.json.2");
}

TEST_CASE("every field that matters must be there, and the error names it and the file") {
  for (const auto& tiny : {test::tiny_bert(), test::tiny_roberta(), test::tiny_distilbert()}) {
    for (const auto& [key, value] : tiny.config.items()) {
      if (key == "seq_classif_dropout" || (key == "pad_token_id" && tiny.config["model_type"] == "bert")) continue;
      auto json = tiny.config;
      json.erase(key);
      INFO(key);
      REQUIRE_ERROR(read(json), "cloze.json.2");
      CHECK(message(json).find(key) != std::string::npos);
      CHECK(message(json).find("config.json") != std::string::npos);
      json[key] = nlohmann::json::array();
      REQUIRE_ERROR(read(json), "cloze.json.2");
    }
  }
}

TEST_CASE("values out of range are refused") {
  const auto json = test::tiny_bert().config;
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                          "max_position_embeddings", "type_vocab_size"}) {
    INFO(key);
    REQUIRE_ERROR(read(with(json, key, 0)), "cloze.config.1");
    REQUIRE_ERROR(read(with(json, key, -3)), "cloze.config.1");
    REQUIRE_ERROR(read(with(json, key, 1'000'000'000'000)), "cloze.config.1");
    REQUIRE_ERROR(read(with(json, key, 1.5)), "cloze.json.2");
    REQUIRE_ERROR(read(with(json, key, "12")), "cloze.json.2");
  }
  REQUIRE_ERROR(read(with(json, "hidden_dropout_prob", 1.0)), "cloze.config.1");
  REQUIRE_ERROR(read(with(json, "attention_probs_dropout_prob", -0.1)), "cloze.config.1");
  REQUIRE_ERROR(read(with(json, "layer_norm_eps", 0)), "cloze.config.1");
  REQUIRE_ERROR(read(with(test::tiny_roberta().config, "pad_token_id", 23)), "cloze.config.1");
}

TEST_CASE("an unknown activation, a setting that changes the computation, another model: each is named") {
  const auto json = test::tiny_bert().config;
  REQUIRE_ERROR(read(with(json, "hidden_act", "mish")), "cloze.config.2");
  CHECK(message(with(json, "hidden_act", "mish")).find("hidden_act") != std::string::npos);
  REQUIRE_ERROR(read(with(json, "position_embedding_type", "relative_key")), "cloze.config.3");
  REQUIRE_ERROR(read(with(json, "is_decoder", true)), "cloze.config.3");
  REQUIRE_ERROR(read(with(json, "embedding_size", 6)), "cloze.config.3");
  REQUIRE_ERROR(read(with(json, "quantization_config", {{"bits", 4}})), "cloze.config.3");
  REQUIRE_ERROR(read(with(json, "pruned_heads", {{"0", {1}}})), "cloze.config.3");
  CHECK(read(with(json, "pruned_heads", nlohmann::json::object())).layers == 2);
  REQUIRE_ERROR(read(with(json, "model_type", "t5")), "cloze.config.4");
  CHECK(message(with(json, "model_type", "t5")).find("bert, roberta, xlm-roberta, distilbert") != std::string::npos);
  REQUIRE_ERROR(read(with(json, "num_attention_heads", 5)), "cloze.config.5");
}

TEST_CASE("a config that is absent, broken or no object is an error") {
  const TemporaryFolder folder;
  REQUIRE_ERROR(read_encoder_config(folder.path()), "cloze.file.1");
  folder.write("config.json", "{\"model_type\": ");
  REQUIRE_ERROR(read_encoder_config(folder.path()), "cloze.json.1");
  folder.write("config.json", "[1, 2]");
  REQUIRE_ERROR(read_encoder_config(folder.path()), "cloze.json.2");
  REQUIRE_ERROR(read_model_type(folder.path()), "cloze.json.2");
}
