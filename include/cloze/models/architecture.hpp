// What tells one BERT-like encoder from another: the keys of its config.json and the names of its tensors. All else is
// shared.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <cloze/nn/encoder_layer.hpp>

namespace cloze {

/// How config.json calls what it says. An empty key: this architecture has no such setting.
struct ConfigKeys {
  std::string hidden_size = "hidden_size";
  std::string layers = "num_hidden_layers";
  std::string heads = "num_attention_heads";
  std::string intermediate_size = "intermediate_size";
  std::string activation = "hidden_act";
  std::string segment_types = "type_vocab_size";
  std::string layer_norm_eps = "layer_norm_eps";
  std::string hidden_dropout = "hidden_dropout_prob";
  std::string attention_dropout = "attention_probs_dropout_prob";
  std::string classifier_dropout = "classifier_dropout";
};

struct EncoderNames {
  std::string words = "embeddings.word_embeddings";
  std::string positions = "embeddings.position_embeddings";
  std::string segments = "embeddings.token_type_embeddings";
  std::string embedding_norm = "embeddings.LayerNorm";
  std::string layers = "encoder.layer.";
  EncoderLayerNames layer{};
};

struct MlmHeadNames {
  std::string transform = "cls.predictions.transform.dense";
  std::string norm = "cls.predictions.transform.LayerNorm";
  std::string bias = "cls.predictions.bias";
  std::string decoder = "cls.predictions.decoder";
};

/// dense, activation, dropout, output; and where it differs by architecture.
struct ClassificationHeadNames {
  std::string dense = "bert.pooler.dense";
  std::string output = "classifier";
  Activation activation = Activation::tanh;
  bool pretrained_dense = true;  // BERT's pooler comes with the encoder; the others' dense layer belongs to the task
  bool dropout_before = false;   // RoBERTa also drops out before the dense layer
};

/// One encoder architecture of Hugging Face transformers.
struct EncoderArchitecture {
  /// A model_type of config.json and how its classes begin: {"xlm-roberta", "XLMRoberta"}.
  struct Type {
    std::string model_type;
    std::string class_prefix;
  };
  std::string name;  // for messages
  std::vector<Type> types;
  std::string prefix;                    // of the encoder's tensors in a file that also has a head
  bool positions_after_padding = false;  // position ids begin at pad_token_id + 1
  bool head_uses_gelu = false;           // the masked-LM head's activation is GELU whatever the config says
  bool projection_dropout = true;        // dropout after the attention's projection
  ConfigKeys keys{};
  EncoderNames encoder{};
  MlmHeadNames mlm_head{};
  ClassificationHeadNames classification{};
};

/// Devlin et al., "BERT: pre-training of deep bidirectional transformers", 2019.
inline const EncoderArchitecture& bert_architecture() {
  static const EncoderArchitecture bert{.name = "BERT", .types = {{"bert", "Bert"}}, .prefix = "bert."};
  return bert;
}

/// Liu et al., "RoBERTa", 2019; Conneau et al., "XLM-R", 2020.
inline const EncoderArchitecture& roberta_architecture() {
  static const EncoderArchitecture roberta{
      .name = "RoBERTa",
      .types = {{"roberta", "Roberta"}, {"xlm-roberta", "XLMRoberta"}},
      .prefix = "roberta.",
      .positions_after_padding = true,
      .head_uses_gelu = true,
      .mlm_head = {"lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder"},
      .classification = {"classifier.dense", "classifier.out_proj", Activation::tanh, false, true}};
  return roberta;
}

/// Sanh et al., "DistilBERT", 2019. No segments, no layer_norm_eps (1e-12), no dropout after the
/// attention's projection, its own names for everything.
inline const EncoderArchitecture& distilbert_architecture() {
  static const EncoderArchitecture distilbert{
      .name = "DistilBERT",
      .types = {{"distilbert", "DistilBert"}},
      .prefix = "distilbert.",
      .projection_dropout = false,
      .keys = {"dim", "n_layers", "n_heads", "hidden_dim", "activation", "", "", "dropout", "attention_dropout",
               "seq_classif_dropout"},
      .encoder = {.segments = "",
                  .layers = "transformer.layer.",
                  .layer = {.attention = {"attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
                                          "attention.qkv_lin"},
                            .attention_norm = "sa_layer_norm",
                            .up = "ffn.lin1",
                            .down = "ffn.lin2",
                            .output_norm = "output_layer_norm"}},
      .mlm_head = {"vocab_transform", "vocab_layer_norm", "vocab_projector.bias", "vocab_projector"},
      .classification = {"pre_classifier", "classifier", Activation::relu, false, false}};
  return distilbert;
}

/// Every encoder architecture that the library reads.
inline const std::vector<const EncoderArchitecture*>& encoder_architectures() {
  static const std::vector<const EncoderArchitecture*> all{&bert_architecture(), &roberta_architecture(),
                                                           &distilbert_architecture()};
  return all;
}

}  // namespace cloze
