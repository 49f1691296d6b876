// Classification heads: each architecture's own, loaded or fresh.
#include <cmath>
#include <set>

#include <cloze/autograd/reduce.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/models.hpp"
#include "support/tiny_model.hpp"

using namespace cloze;
using test::relative_error;
using test::TemporaryFolder;
using test::tiny_batch;
using test::tiny_hidden;
using test::TinyModel;

namespace {

using Auto = AutoModelForSequenceClassification<double>;

Auto load(const TinyModel& tiny, const ClassificationOptions& options = {}) {
  const TemporaryFolder folder;
  tiny.write(folder.path());
  return Auto::from_pretrained(folder.path(), options);
}

struct HeadCase {
  TinyModel model;
  std::string dense, output;
  bool relu;
};

/// The three architectures with a head of three classes in the file.
std::vector<HeadCase> heads() {
  std::vector<HeadCase> cases{{test::tiny_bert(), "bert.pooler.dense", "classifier", false},
                              {test::tiny_roberta(), "classifier.dense", "classifier.out_proj", false},
                              {test::tiny_distilbert(), "pre_classifier", "classifier", true}};
  for (auto& head : cases) {
    head.model.linear(head.dense, tiny_hidden, tiny_hidden);
    head.model.linear(head.output, tiny_hidden, 3);
    head.model.config["id2label"] = {{"0", "a"}, {"1", "b"}, {"2", "c"}};
  }
  return cases;
}

std::vector<double> affine(const TinyModel& model, const std::string& name, const std::vector<double>& x) {
  const auto& weight = model.tensors.at(name + ".weight").values;
  const auto& bias = model.tensors.at(name + ".bias").values;
  std::vector<double> y(bias.begin(), bias.end());
  for (std::size_t o = 0; o < y.size(); ++o)
    for (std::size_t i = 0; i < x.size(); ++i) y[o] += static_cast<double>(weight[o * x.size() + i]) * x[i];
  return y;
}

}  // namespace

TEST_CASE("logits are output(activation(dense(first hidden state))), tanh or ReLU by architecture") {
  for (const auto& head : heads()) {
    const auto model = load(head.model);
    CHECK(model.num_labels() == 3);
    const auto batch = tiny_batch({4, 1, 7});
    const NoGrad no_grad;
    const auto hidden =
        std::visit([&](const auto& inner) { return inner.encoder().forward(batch).to_vector(); }, model.variant());
    std::vector<double> wanted;
    for (Index s = 0; s < batch.sequences(); ++s) {
      const auto begin = hidden.begin() + batch.cu_seqlens[s] * tiny_hidden;
      auto features = affine(head.model, head.dense, {begin, begin + tiny_hidden});
      for (double& x : features) x = head.relu ? std::max(x, 0.0) : std::tanh(x);
      for (const double logit : affine(head.model, head.output, features)) wanted.push_back(logit);
    }
    CHECK(relative_error(model.logits(batch).to_vector(), wanted) < 1e-12);
  }
}

TEST_CASE("a head that is missing or has another number of labels is an error unless a fresh one is asked for") {
  for (auto head : heads()) {
    REQUIRE_ERROR(load(head.model, {.num_labels = 4}), "cloze.classification.1");
    REQUIRE_ERROR(load(head.model, {.num_labels = 0, .new_head_seed = 1}), "cloze.classification.1");
    auto other = head.model;
    other.config.erase("id2label");
    REQUIRE_ERROR(load(other), "cloze.pretrained.2");
    head.model.tensors.erase(head.output + ".weight");
    REQUIRE_ERROR(load(head.model), "cloze.pretrained.1");
    const auto fresh = load(head.model, {.num_labels = 5, .new_head_seed = 1});
    CHECK(fresh.num_labels() == 5);
    CHECK(fresh.logits(tiny_batch({4, 3})).shape() == Shape{2, 5});
  }
}

TEST_CASE("a fresh head depends on its seed only, has the config's deviation and zero bias, and is reported") {
  auto tiny = test::tiny_roberta();
  tiny.config["initializer_range"] = 0.5;
  const auto batch = tiny_batch({4, 3});
  const NoGrad no_grad;
  const auto a = load(tiny, {.num_labels = 400, .new_head_seed = 1});
  const auto b = load(tiny, {.num_labels = 400, .new_head_seed = 1});
  const auto c = load(tiny, {.num_labels = 400, .new_head_seed = 2});
  CHECK(a.logits(batch).to_vector() == b.logits(batch).to_vector());
  CHECK(a.logits(batch).to_vector() != c.logits(batch).to_vector());
  CHECK(a.load_report().fresh == std::vector<std::string>{"classifier.dense.weight", "classifier.dense.bias",
                                                          "classifier.out_proj.weight", "classifier.out_proj.bias"});
  CHECK(a.load_report().unused.size() == 5);  // the masked-LM head
  for (const auto& entry : a.state_dict()) {
    if (entry.name == "classifier.out_proj.bias")
      for (const double x : entry.tensor.to_vector()) CHECK(x == 0);
    if (entry.name != "classifier.out_proj.weight") continue;
    double mean = 0, squares = 0;
    const auto values = entry.tensor.to_vector();
    for (const double x : values) mean += x, squares += x * x;
    const auto count = static_cast<double>(values.size());
    CHECK(std::abs(mean / count) < 4 * 0.5 / std::sqrt(count));
    CHECK(std::abs(std::sqrt(squares / count) - 0.5) < 4 * 0.5 / std::sqrt(2 * count));
  }
}

TEST_CASE("BERT's pooler comes from the file where it is there, and is fresh only where it is not") {
  auto with = test::tiny_bert();
  with.linear("bert.pooler.dense", tiny_hidden, tiny_hidden);
  const auto loaded = load(with, {.num_labels = 2, .new_head_seed = 7});
  CHECK(loaded.load_report().fresh == std::vector<std::string>{"classifier.weight", "classifier.bias"});
  const auto fresh = load(test::tiny_bert(), {.num_labels = 2, .new_head_seed = 7});
  CHECK(fresh.load_report().fresh.size() == 4);
  CHECK(loaded.parameters().size() == fresh.parameters().size());
}

TEST_CASE("every parameter of a classifier gets a gradient, and dropout in the head draws its own keys") {
  for (const auto& head : heads()) {
    const auto model = load(head.model);
    const auto batch = tiny_batch({4, 3});
    Rng rng(3);
    sum(mul(model.logits(batch, {.training = true, .rng = &rng}), model.logits(batch))).backward();
    for (const auto& parameter : model.parameters()) {
      INFO(parameter.name);
      CHECK(parameter.tensor.has_grad());
    }
    const bool distilbert = head.relu, roberta = head.output == "classifier.out_proj";
    const Index keys = 1 + test::tiny_layers * (distilbert ? 2 : 3) + (roberta ? 2 : 1);
    CHECK(rng.state().position == static_cast<std::uint64_t>(2 * keys));
  }
}

TEST_CASE("a saved classifier reads back with its labels") {
  const TemporaryFolder folder;
  test::tiny_distilbert().write(folder.path() / "from");
  const auto model = Auto::from_pretrained(folder.path() / "from", {.num_labels = 3, .new_head_seed = 5});
  model.save_pretrained(folder.path() / "to");
  const auto again = Auto::from_pretrained(folder.path() / "to");
  const auto batch = tiny_batch({4, 3});
  const NoGrad no_grad;
  CHECK(again.num_labels() == 3);
  CHECK(again.logits(batch).to_vector() == model.logits(batch).to_vector());
  const auto config = read_json(folder.path() / "to" / "config.json");
  CHECK(config["architectures"][0] == "DistilBertForSequenceClassification");
  CHECK(config["id2label"]["2"] == "LABEL_2");
  CHECK(config["label2id"]["LABEL_1"] == 1);
}

TEST_CASE("an empty sequence has no first token, and an unsupported type is refused") {
  const auto model = load(heads()[0].model);
  auto batch = tiny_batch({4});
  batch.append(Prompt{});
  REQUIRE_ERROR(model.logits(batch), "cloze.encoder.5");
  CHECK(model.logits(PackedBatch{}).shape() == Shape{0, 3});
  auto other = heads()[0].model;
  other.config["model_type"] = "t5";
  REQUIRE_ERROR(load(other), "cloze.config.4");
}
