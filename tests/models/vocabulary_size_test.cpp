#include <cloze/models/vocabulary_size.hpp>

#include <cloze/models/auto.hpp>
#include <cloze/text/prune_vocabulary.hpp>
#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

nlohmann::json tiny_config(const std::string& type, bool tied) {
  auto json = nlohmann::json::object();
  json["model_type"] = type;
  for (const auto& [key, number] :
       {std::pair("vocab_size", 20), std::pair("hidden_size", 8), std::pair("num_hidden_layers", 2),
        std::pair("num_attention_heads", 2), std::pair("intermediate_size", 16),
        std::pair("max_position_embeddings", 12), std::pair("type_vocab_size", 2), std::pair("pad_token_id", 1)})
    json[key] = number;
  json["hidden_act"] = "gelu";
  json["layer_norm_eps"] = 1e-5;
  json["hidden_dropout_prob"] = 0.1;
  json["attention_probs_dropout_prob"] = 0.1;
  json["tie_word_embeddings"] = tied;
  json["sep_token_id"] = 7;
  json["eos_token_id"] = 3;
  return json;
}

template <class Model>
Model drawn(const std::string& type, bool tied) {
  return Model::from_config(encoder_config(tiny_config(type, tied), "config.json"), Rng(5));
}

std::vector<TokenId> ids(std::initializer_list<int> values) {
  std::vector<TokenId> result;
  for (const int v : values) result.push_back(TokenId{v});
  return result;
}

/// Two sequences, of two tokens and of the rest; the last token of each is what the model has to fill.
PackedBatch batch_of(const std::vector<TokenId>& tokens) {
  PackedBatch batch;
  batch.append({.ids = {tokens.begin(), tokens.begin() + 2}, .masks = {1}});
  batch.append({.ids = {tokens.begin() + 2, tokens.end()}, .masks = {static_cast<Index>(tokens.size()) - 3}});
  return batch;
}

}  // namespace

TEMPLATE_TEST_CASE("kept tokens keep their scores to the bit", "", (BertForMaskedLM<float>),
                   (RobertaForMaskedLM<double, Reference>), (AutoModelForMaskedLM<float>)) {
  for (const bool tied : {true, false}) {
    const std::string type = std::is_same_v<TestType, RobertaForMaskedLM<double, Reference>> ? "roberta" : "bert";
    const auto model = drawn<TestType>(type, tied);
    const auto kept = ids({0, 1, 3, 7, 8, 19});
    const auto small = keep_vocabulary(model, kept);
    REQUIRE(small.config().vocab_size == 6);
    REQUIRE(small.config().json["vocab_size"] == 6);
    REQUIRE(small.config().json["pad_token_id"] == 1);
    REQUIRE(small.config().json["eos_token_id"] == 2);
    REQUIRE(small.config().json["sep_token_id"] == 3);
    const auto old = model.mask_scores(batch_of(ids({3, 7, 19, 8, 0})), ids({8, 19, 7}));
    const auto now = small.mask_scores(batch_of(ids({2, 3, 5, 4, 0})), ids({4, 5, 3}));
    REQUIRE(now.to_vector() == old.to_vector());

    const auto large = resize_vocabulary(model, 23, Rng(1));
    REQUIRE(large.config().vocab_size == 23);
    REQUIRE(large.mask_scores(batch_of(ids({3, 7, 19, 8, 0})), ids({8, 19, 7})).to_vector() == old.to_vector());
    REQUIRE(large.mask_logits(batch_of(ids({22, 21, 20, 1, 2}))).shape() == Shape{2, 23});
    const auto cut = resize_vocabulary(model, 20, Rng(1));
    REQUIRE(cut.mask_logits(batch_of(ids({3, 7, 19, 8, 0}))).to_vector() ==
            model.mask_logits(batch_of(ids({3, 7, 19, 8, 0}))).to_vector());
  }
}

TEST_CASE("a copy with another vocabulary shares nothing with its model") {
  const auto model = drawn<BertForMaskedLM<float>>("bert", true);
  const auto before = model.state_dict().front().slice().to_vector();
  auto copy = resize_vocabulary(model, 20, Rng(1));
  for (auto& entry : copy.state_dict()) {
    auto slice = entry.slice();
    fill(slice, 0.0f);
  }
  REQUIRE(model.state_dict().front().slice().to_vector() == before);
}

TEST_CASE("a dropped special token is null in config.json, and the folder is read back") {
  const auto small = keep_vocabulary(drawn<BertForMaskedLM<float>>("bert", true), ids({1, 2, 5}));
  REQUIRE(small.config().json["sep_token_id"].is_null());
  REQUIRE(small.config().json["pad_token_id"] == 0);
  test::TemporaryFolder folder;
  small.save_pretrained(folder.path());
  const auto read = BertForMaskedLM<float>::from_pretrained(folder.path());
  REQUIRE(read.mask_logits(batch_of(ids({0, 1, 2, 1}))).to_vector() ==
          small.mask_logits(batch_of(ids({0, 1, 2, 1}))).to_vector());
}

TEST_CASE("a list of kept tokens that does not fit the model is refused") {
  const auto bert = drawn<BertForMaskedLM<float>>("bert", true);
  REQUIRE_ERROR(keep_vocabulary(bert, {}), "cloze.prune.3");
  REQUIRE_ERROR(keep_vocabulary(bert, ids({3, 3})), "cloze.prune.3");
  REQUIRE_ERROR(keep_vocabulary(bert, ids({3, 2})), "cloze.prune.3");
  REQUIRE_ERROR(keep_vocabulary(bert, ids({-1, 2})), "cloze.prune.3");
  REQUIRE_ERROR(keep_vocabulary(bert, ids({3, 20})), "cloze.prune.3");
  REQUIRE_ERROR(resize_vocabulary(bert, 0, Rng(1)), "cloze.config.1");
  const auto roberta = drawn<RobertaForMaskedLM<float>>("roberta", true);
  REQUIRE_ERROR(keep_vocabulary(roberta, ids({1, 2, 3})), "cloze.prune.4");
  REQUIRE_ERROR(keep_vocabulary(roberta, ids({0, 2, 3})), "cloze.prune.4");
}
