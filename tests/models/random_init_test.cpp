#include <cloze/models/random_init.hpp>

#include <cmath>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/tiny_model.hpp"

using namespace cloze;

namespace {

EncoderConfig config_of(const nlohmann::json& json) { return encoder_config(json, "config.json"); }

template <class Model>
std::map<std::string, std::vector<float>> values(const Model& model) {
  std::map<std::string, std::vector<float>> all;
  for (const auto& entry : model.state_dict()) all[entry.name] = entry.slice().to_vector();
  return all;
}

// Every name and shape of a written folder, whatever reads it, and the same numbers after a round trip.
template <class Model>
void check_round_trip(const nlohmann::json& json) {
  const auto config = config_of(json);
  const auto model = Model::from_config(config, Rng(7));
  const test::TemporaryFolder folder;
  model.save_pretrained(folder.path());
  const auto back = Model::from_pretrained(folder.path());
  CHECK(values(model) == values(back));
  CHECK(values(model) == values(Model::from_config(config, Rng(7))));
  CHECK(values(model) != values(Model::from_config(config, Rng(8))));
  CHECK(model.load_report().fresh.size() == model.parameters().size());
}

}  // namespace

TEST_CASE("fresh weights have the moments of Hugging Face's initialisation") {
  auto json = test::tiny_bert().config;
  json["vocab_size"] = 2000;
  json["hidden_size"] = 96;
  json["intermediate_size"] = 200;
  json["initializer_range"] = 0.05;
  json["pad_token_id"] = 3;
  const auto model = BertForMaskedLM<float>::from_config(config_of(json), Rng(1));
  double sum = 0, square = 0, fourth = 0, count = 0;
  for (const auto& entry : model.state_dict()) {
    const auto numbers = entry.slice().to_vector();
    if (entry.shape().rank() == 1) {
      for (const float number : numbers) REQUIRE(number == (entry.name.ends_with(".weight") ? 1.0f : 0.0f));
      continue;
    }
    double own = 0, own_square = 0;
    for (const float number : numbers) own += number, own_square += double(number) * number;
    const auto n = static_cast<double>(numbers.size());
    INFO(entry.name);
    CHECK(std::abs(own / n) < 5 * 0.05 / std::sqrt(n));
    CHECK(std::abs(own_square / n / 0.0025 - 1) < 5 * std::sqrt(2 / n) + 1e-3);
    for (const float number : numbers) fourth += std::pow(number / 0.05, 4);
    sum += own, square += own_square, count += n;
  }
  CHECK(std::abs(sum / count) < 5 * 0.05 / std::sqrt(count));
  CHECK(fourth / count == Approx(3).epsilon(0.03));  // as a normal distribution's
  const auto words = values(model).at("bert.embeddings.word_embeddings.weight");
  for (int column = 0; column < 96; ++column) CHECK(words[3 * 96 + column] == 0);
  CHECK(words[2 * 96] != 0);
}

TEST_CASE("every model can be made from a config, saved and read again") {
  const auto bert = test::tiny_bert().config, roberta = test::tiny_roberta().config,
             distilbert = test::tiny_distilbert().config;
  check_round_trip<BertForMaskedLM<float>>(bert);
  check_round_trip<BertForPreTraining<float>>(bert);
  check_round_trip<RobertaForMaskedLM<float>>(roberta);
  check_round_trip<DistilBertForMaskedLM<float>>(distilbert);
  check_round_trip<BertForSequenceClassification<float>>(bert);
  check_round_trip<RobertaForSequenceClassification<float>>(roberta);
  check_round_trip<DistilBertForSequenceClassification<float>>(distilbert);
  check_round_trip<SentenceEncoder<float>>(bert);
  for (const auto& json : {bert, roberta, distilbert}) {
    check_round_trip<AutoModelForMaskedLM<float>>(json);
    check_round_trip<AutoModelForSequenceClassification<float>>(json);
  }
  auto untied = bert;
  untied["tie_word_embeddings"] = false;
  check_round_trip<BertForMaskedLM<float>>(untied);
}

TEST_CASE("the same seed gives the same encoder under any head") {
  const auto config = config_of(test::tiny_bert().config);
  const auto masked = values(BertForMaskedLM<float>::from_config(config, Rng(5)));
  const auto both = values(BertForPreTraining<float>::from_config(config, Rng(5)));
  const auto classes = values(BertForSequenceClassification<float>::from_config(config, Rng(5), {}));
  for (const auto& [name, numbers] : masked) {
    CHECK(both.at(name) == numbers);
    if (name.starts_with("bert.")) CHECK(classes.at(name) == numbers);
  }
}

TEST_CASE("rows of the padding id are zeros, and DistilBERT's positions may be sines") {
  auto roberta = test::tiny_roberta().config;
  const auto model = values(RobertaForMaskedLM<float>::from_config(config_of(roberta), Rng(1)));
  for (const char* name :
       {"roberta.embeddings.word_embeddings.weight", "roberta.embeddings.position_embeddings.weight"})
    for (Index column = 0; column < test::tiny_hidden; ++column)
      CHECK(model.at(name)[static_cast<std::size_t>(test::tiny_hidden + column)] == 0);
  auto distilbert = test::tiny_distilbert().config;
  distilbert["sinusoidal_pos_embds"] = true;
  const auto sines = values(DistilBertForMaskedLM<float>::from_config(config_of(distilbert), Rng(1)))
                         .at("distilbert.embeddings.position_embeddings.weight");
  const double row = 5;
  CHECK(sines[5 * test::tiny_hidden + 0] == Approx(std::sin(row)));
  CHECK(sines[5 * test::tiny_hidden + 1] == Approx(std::cos(row)));
  CHECK(sines[5 * test::tiny_hidden + 4] == Approx(std::sin(row / std::pow(10000.0, 4.0 / 12))));
  CHECK(sines[5 * test::tiny_hidden + 5] == Approx(std::cos(row / std::pow(10000.0, 4.0 / 12))));
}

TEST_CASE("a config of another architecture is refused") {
  const auto roberta = config_of(test::tiny_roberta().config);
  REQUIRE_ERROR(BertForMaskedLM<float>::from_config(roberta, Rng(1)), "cloze.config.4");
  REQUIRE_ERROR(DistilBertForMaskedLM<float>::from_config(roberta, Rng(1)), "cloze.config.4");
  REQUIRE_ERROR(encoder_config(nlohmann::json::object(), "x"), "cloze.json.2");
}
