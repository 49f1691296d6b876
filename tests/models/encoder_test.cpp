// The encoder on packed batches: alone or together, whole or some rows, with dropout or without.
#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/reduce.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/models.hpp"
#include "support/tiny_model.hpp"

using namespace cloze;
using test::relative_error;
using test::tiny_batch;

namespace {

template <class T, class D>
BertForMaskedLM<T, D> bert() {
  const test::TemporaryFolder folder;
  test::tiny_bert().write(folder.path());
  return BertForMaskedLM<T, D>::from_pretrained(folder.path());
}

}  // namespace

TEMPLATE_TEST_CASE("every sequence gives alone what it gives in a packed batch", "", Cpu, Reference) {
  const auto model = bert<double, TestType>();
  const std::vector<Index> lengths{5, 1, 24, 3, 16, 17};
  const auto batch = tiny_batch(lengths, 2);
  const NoGrad no_grad;
  const auto together = model.encoder().forward(batch).to_vector();
  for (Index s = 0; s < batch.sequences(); ++s) {
    Prompt prompt;
    const auto begin = batch.cu_seqlens[s], end = batch.cu_seqlens[s + 1];
    prompt.ids.assign(batch.ids.begin() + begin, batch.ids.begin() + end);
    prompt.segments.assign(batch.segments.begin() + begin, batch.segments.begin() + end);
    PackedBatch single;
    single.append(prompt);
    const std::vector<double> wanted(together.begin() + begin * test::tiny_hidden,
                                     together.begin() + end * test::tiny_hidden);
    CHECK(relative_error(model.encoder().forward(single).to_vector(), wanted) < 1e-13);
  }
}

TEMPLATE_TEST_CASE("forward_rows gives the rows of forward, values and gradients, with dropout or without", "", Cpu,
                   Reference) {
  for (const bool training : {false, true}) {
    const auto model = bert<double, TestType>();
    const auto batch = tiny_batch({7, 1, 24, 4, 9}, 2);
    const std::vector<Index> rows{0, 6, 7, 8, 8, 20, 31, 44};
    Rng whole_rng(5, "dropout"), rows_rng(5, "dropout");
    const auto whole =
        gather_rows(model.encoder().forward(batch, {training, &whole_rng}), std::span<const Index>(rows));
    sum(mul(whole, whole)).backward();
    std::vector<std::vector<double>> wanted;
    for (auto& parameter : model.parameters()) {
      if (parameter.name.starts_with("bert.")) wanted.push_back(parameter.tensor.grad().to_vector());
      parameter.tensor.zero_grad();
    }
    const auto some = model.encoder().forward_rows(batch, rows, {training, &rows_rng});
    CHECK(relative_error(some.to_vector(), whole.to_vector()) < 1e-13);
    sum(mul(some, some)).backward();
    std::size_t at = 0;
    for (auto& parameter : model.parameters()) {
      if (!parameter.name.starts_with("bert.")) continue;
      INFO(parameter.name);
      CHECK(relative_error(parameter.tensor.grad().to_vector(), wanted[at++]) < 1e-11);
    }
    CHECK(at > 20);
    CHECK(whole_rng.state() == rows_rng.state());
  }
}

TEST_CASE("dropout follows the generator: same state, same numbers; another state, others; none in evaluation") {
  const auto model = bert<float, Cpu>();
  const auto batch = tiny_batch({9, 4}, 2);
  const NoGrad no_grad;
  const auto plain = model.encoder().forward(batch).to_vector();
  Rng first(1), second(1);
  const auto a = model.encoder().forward(batch, {true, &first}).to_vector();
  const auto b = model.encoder().forward(batch, {true, &second}).to_vector();
  const auto c = model.encoder().forward(batch, {true, &second}).to_vector();
  CHECK(a == b);
  CHECK(b != c);
  CHECK(a != plain);
  REQUIRE_ERROR(model.encoder().forward(batch, {.training = true}), "cloze.nn.1");
}

TEST_CASE("both devices draw the same dropout") {
  const auto cpu = bert<double, Cpu>();
  const auto reference = bert<double, Reference>();
  const auto batch = tiny_batch({9, 4, 17}, 2);
  const NoGrad no_grad;
  Rng first(8), second(8);
  CHECK(relative_error(cpu.encoder().forward(batch, {true, &first}).to_vector(),
                       reference.encoder().forward(batch, {true, &second}).to_vector()) < 1e-12);
}

TEST_CASE("rates can be set from outside, and a rate of 0 draws nothing") {
  const test::TemporaryFolder folder;
  test::tiny_bert().write(folder.path());
  auto model = BertForMaskedLM<float>::from_pretrained(folder.path(), {.dropout = DropoutRates{}});
  const auto batch = tiny_batch({9, 4}, 2);
  const NoGrad no_grad;
  Rng rng(1);
  CHECK(model.encoder().forward(batch, {true, &rng}).to_vector() == model.encoder().forward(batch).to_vector());
  CHECK(rng.state().position == 0);
  model.dropout().hidden = 0.5;
  CHECK(model.encoder().forward(batch, {true, &rng}).to_vector() != model.encoder().forward(batch).to_vector());
  CHECK(rng.state().position == 2 * (1 + 2 * test::tiny_layers));
}

TEST_CASE("an empty batch and empty sequences give empty results") {
  const auto model = bert<float, Cpu>();
  CHECK(model.encoder().forward(PackedBatch{}).shape() == Shape{0, test::tiny_hidden});
  CHECK(model.mask_logits(PackedBatch{}).shape() == Shape{0, test::tiny_vocab});
  PackedBatch batch;
  batch.append(Prompt{});
  batch.append(Prompt{.ids = {TokenId{4}, TokenId{5}}, .segments = {}, .masks = {1}});
  batch.append(Prompt{});
  CHECK(model.encoder().forward(batch).shape() == Shape{2, test::tiny_hidden});
  CHECK(model.mask_logits(batch).shape() == Shape{1, test::tiny_vocab});
}

TEST_CASE("a batch that does not fit the model is refused with the sequence at fault") {
  const auto model = bert<float, Cpu>();
  const auto forward = [&](const PackedBatch& batch) { return model.encoder().forward(batch); };
  auto batch = tiny_batch({4, 3});
  batch.ids[5] = TokenId{static_cast<int>(test::tiny_vocab)};
  REQUIRE_ERROR(forward(batch), "cloze.encoder.2");
  batch.ids[5] = TokenId{-1};
  REQUIRE_ERROR(forward(batch), "cloze.encoder.2");
  try {
    forward(batch);
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("sequence 1") != std::string::npos);
  }
  CHECK(forward(tiny_batch({test::tiny_positions})).rows() == test::tiny_positions);
  REQUIRE_ERROR(forward(tiny_batch({test::tiny_positions + 1})), "cloze.encoder.3");
  batch = tiny_batch({4, 3});
  batch.positions[2] = -1;
  REQUIRE_ERROR(forward(batch), "cloze.encoder.3");
  batch = tiny_batch({4, 3});
  batch.segments[2] = 2;
  REQUIRE_ERROR(forward(batch), "cloze.encoder.4");
  batch = tiny_batch({4, 3});
  batch.segments.pop_back();
  REQUIRE_ERROR(forward(batch), "cloze.encoder.1");
  batch = tiny_batch({4, 3});
  batch.cu_seqlens = {0, 5, 4, 7};
  REQUIRE_ERROR(forward(batch), "cloze.encoder.1");
  batch.cu_seqlens = {};
  REQUIRE_ERROR(forward(batch), "cloze.encoder.1");
  batch = tiny_batch({4, 3});
  REQUIRE_ERROR(model.encoder().forward_rows(batch, std::vector<Index>{7}), "cloze.nn.2");
  REQUIRE_ERROR(model.encoder().forward_rows(batch, std::vector<Index>{2, 1}), "cloze.nn.2");
  REQUIRE_ERROR(model.encoder().forward_rows(batch, std::vector<Index>{-1}), "cloze.nn.2");
}

TEST_CASE("a model without segments refuses them, and RoBERTa takes two positions fewer than its table has") {
  const test::TemporaryFolder folder;
  test::tiny_roberta().write(folder.path() / "roberta");
  test::tiny_distilbert().write(folder.path() / "distilbert");
  const auto roberta = RobertaForMaskedLM<float>::from_pretrained(folder.path() / "roberta");
  const auto distilbert = DistilBertForMaskedLM<float>::from_pretrained(folder.path() / "distilbert");
  REQUIRE_ERROR(roberta.mask_logits(tiny_batch({4}, 2)), "cloze.encoder.4");
  REQUIRE_ERROR(distilbert.mask_logits(tiny_batch({4}, 2)), "cloze.encoder.4");
  CHECK(roberta.mask_logits(tiny_batch({test::tiny_positions - 2})).columns() == test::tiny_vocab);
  REQUIRE_ERROR(roberta.mask_logits(tiny_batch({test::tiny_positions - 1})), "cloze.encoder.3");
}
