#include <cloze/autograd/losses.hpp>
#include <cloze/autograd/reduce.hpp>
#include <cloze/models/bert.hpp>
#include <cloze/train/adamw.hpp>
#include <cloze/train/sgd.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_model.hpp"

using namespace cloze;

namespace {

std::vector<std::vector<float>> weights_of(const ParameterList<float>& parameters) {
  std::vector<std::vector<float>> values;
  for (const auto& parameter : parameters) values.push_back(parameter.tensor.to_vector());
  return values;
}

/// The weights after four steps, with dropout, on batches of other sizes.
template <class O, class Options>
std::vector<std::vector<float>> trained(Options options, bool together, bool recompute) {
  const test::TemporaryFolder folder;
  test::tiny_bert().write(folder.path());
  const auto model = BertForMaskedLM<float>::from_pretrained(folder.path());
  auto parameters = model.parameters();
  parameters.freeze("bert.embeddings.position");
  O optimizer(parameters, options);
  Rng rng(3, "dropout");
  const std::vector<TokenId> words{TokenId{4}, TokenId{9}, TokenId{17}};
  for (const auto& lengths : {std::vector<Index>{7, 3, 12}, {5, 5, 8, 1}, {16, 2}, {9, 11, 4}}) {
    const auto batch = test::tiny_batch(lengths, 2);
    std::vector<LabelId> labels;
    for (std::size_t i = 0; i < batch.mask_rows.size(); ++i) labels.push_back(static_cast<LabelId>(i % 3));
    const auto scores = model.mask_scores(batch, words, {.training = true, .rng = &rng, .recompute = recompute});
    const auto loss = cross_entropy(scores, std::span<const LabelId>(labels));
    if (together) {
      optimizer.backward_and_step(loss);
    } else {
      loss.backward();
      optimizer.step();
      optimizer.zero_grad();
    }
    for (const auto& parameter : parameters) CHECK_FALSE(parameter.tensor.has_grad());
  }
  return weights_of(parameters);
}

}  // namespace

TEST_CASE("backward_and_step() and recomputation give the bits of backward() and step()") {
  const AdamWOptions adamw{.lr = 1e-2, .weight_decay = 0.1};
  const auto plain = trained<AdamW<float>>(adamw, false, false);
  CHECK(trained<AdamW<float>>(adamw, true, false) == plain);
  CHECK(trained<AdamW<float>>(adamw, false, true) == plain);
  CHECK(trained<AdamW<float>>(adamw, true, true) == plain);
  const SgdOptions sgd{.lr = 1e-2, .momentum = 0.9, .weight_decay = 0.1};
  CHECK(trained<SGD<float>>(sgd, true, true) == trained<SGD<float>>(sgd, false, false));
}

TEST_CASE("a parameter is updated after everything that used it, and others keep their gradients") {
  auto w = Tensor<float>::from({2}, {1}), other = Tensor<float>::from({5}, {1}), unused = Tensor<float>::from({3}, {1});
  for (auto* tensor : {&w, &other, &unused}) tensor->requires_grad(true);
  ParameterList<float> list;
  list.push_back({"w", w, true});
  list.push_back({"unused", unused, true});
  SGD<float> optimizer(list, {.lr = 0.1});
  const auto square = mul(w, w);
  optimizer.backward_and_step(sum(mul(mul(square, w), other)));  // other · w³, gradient 3 · other · w²
  CHECK(w.item() == Approx(2 - 0.1 * 60));
  CHECK(unused.item() == 3);
  CHECK(other.grad().item() == 8);
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("backward_and_step() from a parameter itself") {
  auto w = Tensor<float>::from({2}, {1});
  w.requires_grad(true);
  SGD<float> optimizer(ParameterList<float>({{"w", w, true}}), {.lr = 0.5});
  optimizer.backward_and_step(w);
  CHECK(w.item() == 1.5f);
}

TEST_CASE("backward_and_step() refuses gradients from before") {
  auto w = Tensor<float>::from({2}, {1});
  w.requires_grad(true);
  SGD<float> optimizer(ParameterList<float>({{"w", w, true}}), {.lr = 0.5});
  mul(w, w).backward();
  REQUIRE_ERROR(optimizer.backward_and_step(mul(w, w)), "cloze.optimizer.3");
  CHECK(w.item() == 2);
  optimizer.zero_grad();
  const auto loss = mul(w, w);
  optimizer.backward_and_step(loss);
  REQUIRE_ERROR(optimizer.backward_and_step(loss), "cloze.autograd.1");
}

TEST_CASE("backward_and_step() never holds more than a few gradients") {
  const auto peak = [](bool together) {
    ParameterList<float> list;
    for (int i = 0; i < 20; ++i) {
      auto weight = Tensor<float>::full({100, 100}, 0.01f * static_cast<float>(i));
      weight.requires_grad(true);
      list.push_back({"w", weight, true});
    }
    SGD<float> optimizer(list, {.lr = 0.1});
    const auto x = Tensor<float>::full({1, 100}, 0.5f);
    const std::size_t before = Memory<Cpu>::statistics().used;
    Memory<Cpu>::reset_peak();
    auto y = x;
    for (const auto& parameter : list) y = linear(y, parameter.tensor, Tensor<float>());
    if (together) {
      optimizer.backward_and_step(sum(y));
    } else {
      sum(y).backward();
      optimizer.step();
    }
    return Memory<Cpu>::statistics().peak - before;
  };
  const std::size_t one = 100 * 100 * sizeof(float);
  CHECK(peak(false) > 20 * one);
  CHECK(peak(true) < 3 * one);
}
