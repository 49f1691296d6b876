// The masked-LM head: only the rows and words that are asked for, and the same numbers as the whole.
#include <cloze/autograd/elementwise.hpp>
#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/losses.hpp>
#include <cloze/autograd/reduce.hpp>
#include <cloze/models/concepts.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/models.hpp"
#include "support/tiny_model.hpp"

using namespace cloze;
using test::relative_error;
using test::tiny_batch;

static_assert(MaskedLM<BertForMaskedLM<float>> && MaskedLM<BertForPreTraining<double, Reference>>);
static_assert(MaskedLM<AutoModelForMaskedLM<float>> && !MaskedLM<AutoModelForSequenceClassification<float>>);
static_assert(SequenceClassifier<AutoModelForSequenceClassification<float>> && !SequenceClassifier<int>);

namespace {

template <class T, class D>
AutoModelForMaskedLM<T, D> load(const test::TinyModel& tiny) {
  const test::TemporaryFolder folder;
  tiny.write(folder.path());
  return AutoModelForMaskedLM<T, D>::from_pretrained(folder.path());
}

const std::vector<TokenId> words{TokenId{7}, TokenId{3}, TokenId{28}, TokenId{0}, TokenId{3}};

/// The columns of `words` out of [rows, vocab] numbers.
std::vector<double> columns(const std::vector<double>& logits) {
  std::vector<double> chosen;
  for (std::size_t row = 0; row < logits.size(); row += test::tiny_vocab)
    for (const TokenId word : words) chosen.push_back(logits[row + static_cast<std::size_t>(value(word))]);
  return chosen;
}

}  // namespace

TEMPLATE_TEST_CASE("mask_scores are columns of mask_logits, and these are rows of logits", "", Cpu, Reference) {
  for (const auto& tiny : {test::tiny_bert(), test::tiny_roberta(), test::tiny_distilbert()}) {
    const auto model = load<double, TestType>(tiny);
    const auto batch = tiny_batch({5, 1, 16, 3});
    const NoGrad no_grad;
    const auto masks = model.mask_logits(batch);
    CHECK(masks.shape() == Shape{static_cast<Index>(batch.mask_rows.size()), test::tiny_vocab});
    const auto all = gather_rows(model.logits(batch), std::span<const Index>(batch.mask_rows));
    CHECK(relative_error(masks.to_vector(), all.to_vector()) < 1e-13);
    const auto scores = model.mask_scores(batch, words);
    CHECK(scores.shape() == Shape{static_cast<Index>(batch.mask_rows.size()), 5});
    CHECK(relative_error(scores.to_vector(), columns(masks.to_vector())) < 1e-13);
  }
}

TEMPLATE_TEST_CASE("gradients through mask_scores are those through mask_logits, and touch only a few rows", "", Cpu,
                   Reference) {
  const auto model = load<double, TestType>(test::tiny_bert());
  const auto batch = tiny_batch({5, 4, 6}, 2);
  const auto masks = static_cast<Index>(batch.mask_rows.size());
  // Weighs each score by its own number; through the whole vocabulary every other column weighs 0.
  std::vector<double> few, whole(static_cast<std::size_t>(masks * test::tiny_vocab), 0.0);
  for (Index row = 0; row < masks; ++row)
    for (const TokenId word : words) {
      few.push_back(std::cos(1.3 * static_cast<double>(few.size())));
      whole[static_cast<std::size_t>(row * test::tiny_vocab + value(word))] += few.back();
    }
  const auto weighted = [](const Tensor<double, TestType>& x, const std::vector<double>& weights) {
    return sum(mul(x, Tensor<double, TestType>::from(weights, x.shape())));
  };
  weighted(model.mask_logits(batch), whole).backward();
  std::vector<std::vector<double>> wanted;
  for (auto& parameter : model.parameters()) {
    wanted.push_back(parameter.tensor.grad().to_vector());
    parameter.tensor.zero_grad();
  }
  weighted(model.mask_scores(batch, words), few).backward();
  std::size_t at = 0;
  for (auto& parameter : model.parameters()) {
    INFO(parameter.name);
    CHECK(relative_error(parameter.tensor.grad().to_vector(), wanted[at++]) < 1e-11);
    const bool table = parameter.name.find("embeddings.weight") != std::string::npos;
    CHECK(parameter.tensor.has_row_sparse_grad() == (table || parameter.name == "cls.predictions.bias"));
    if (parameter.name == "cls.predictions.bias") CHECK(parameter.tensor.touched_rows().rows.size() == 4);
  }
}

TEST_CASE("a gradient check of the whole model through mask_scores, in double on both devices") {
  const auto check = [](auto device) {
    using D = decltype(device);
    const auto model = load<double, D>(test::tiny_distilbert());
    const auto batch = tiny_batch({3, 2});
    std::vector<Tensor<double, D>> inputs;
    for (const auto& parameter : model.parameters())
      if (parameter.name.find("norm") != std::string::npos || parameter.name.find("bias") != std::string::npos)
        inputs.push_back(parameter.tensor);
    const auto report = gradcheck<D>(
        [&](const std::vector<Tensor<double, D>>&) {
          Rng rng(4);
          return model.mask_scores(batch, words, {.training = true, .rng = &rng});
        },
        inputs);
    INFO(report.message);
    CHECK(report.ok);
  };
  check(Cpu{});
  check(Reference{});
}

TEST_CASE("a word outside the vocabulary is named; no words give no columns") {
  const auto model = load<float, Cpu>(test::tiny_bert());
  const auto batch = tiny_batch({4});
  REQUIRE_ERROR(model.mask_scores(batch, std::vector{TokenId{29}}), "cloze.mlm_head.1");
  REQUIRE_ERROR(model.mask_scores(batch, std::vector{TokenId{3}, TokenId{-1}}), "cloze.mlm_head.1");
  CHECK(model.mask_scores(batch, {}).shape() == Shape{static_cast<Index>(batch.mask_rows.size()), 0});
}

TEST_CASE("queries, keys and values are one parameter and three tensors of the state dict") {
  const auto model = load<float, Cpu>(test::tiny_bert());
  CHECK(model.parameters().size() + 4 * test::tiny_layers == model.state_dict().size());
  Index sliced = 0;
  for (const auto& entry : model.state_dict()) {
    if (entry.name.find("attention.self.") == std::string::npos) continue;
    ++sliced;
    CHECK(entry.rows == test::tiny_hidden);
    CHECK(entry.tensor.dim(0) == 3 * test::tiny_hidden);
    const auto whole = test::tiny_bert().tensors.at(entry.name).values;
    CHECK(entry.slice().to_vector() == whole);
  }
  CHECK(sliced == 6 * test::tiny_layers);
}

TEST_CASE("freezing a layer stops its gradients and leaves the rest") {
  const auto model = load<double, Cpu>(test::tiny_bert());
  auto parameters = model.parameters();
  parameters.freeze("bert.encoder.layer.0.");
  sum(model.mask_logits(tiny_batch({5}, 2))).backward();
  for (const auto& parameter : model.parameters())
    CHECK(parameter.tensor.has_grad() == !parameter.name.starts_with("bert.encoder.layer.0."));
}

TEST_CASE("BERT's two pretraining heads in one pass give what each gives alone") {
  auto tiny = test::tiny_bert();
  tiny.linear("bert.pooler.dense", test::tiny_hidden, test::tiny_hidden);
  const test::TemporaryFolder folder;
  tiny.write(folder.path());
  REQUIRE_ERROR(BertForPreTraining<double>::from_pretrained(folder.path()), "cloze.pretrained.1");
  tiny.linear("cls.seq_relationship", test::tiny_hidden, 2);
  tiny.write(folder.path());
  const auto model = BertForPreTraining<double>::from_pretrained(folder.path());
  CHECK(model.load_report().unused.empty());
  auto batch = tiny_batch({1, 6, 9}, 2);
  const NoGrad no_grad;
  const auto both = model.forward(batch);
  CHECK(relative_error(both.mask_logits.to_vector(), model.mask_logits(batch).to_vector()) < 1e-13);
  CHECK(relative_error(both.next_sentence_logits.to_vector(), model.next_sentence_logits(batch).to_vector()) < 1e-13);
  batch.append(Prompt{});
  REQUIRE_ERROR(model.next_sentence_logits(batch), "cloze.encoder.5");
}
