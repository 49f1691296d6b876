// The modules alone: names, shapes, fresh parameters, gradients, and rows instead of the whole.
#include <cmath>

#include <cloze/nn/embedding.hpp>
#include <cloze/nn/encoder_layer.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"

using namespace cloze;
using test::relative_error;
using test::tensor;

namespace {

template <class Module, class... Names>
std::vector<std::string> names_of(const Module& module, const Names&... names) {
  std::vector<std::string> found;
  module.visit("p.", names..., [&](const auto& slot) { found.push_back(slot.name); });
  return found;
}

/// A layer whose parameters are uneven numbers.
template <class D>
EncoderLayer<double, D> layer() {
  EncoderLayer<double, D> made({.hidden = 6, .heads = 2, .intermediate = 8});
  int seed = 3;
  made.visit("", {}, [&](const ParameterSlot<double, D>& slot) {
    const auto values = test::numbers(slot.tensor.size(), seed++);
    auto target = slot.tensor;
    copy_elements<Cpu, D>(values.data(), target.data(), target.size());
  });
  return made;
}

const std::vector<Index> lengths{0, 3, 3, 8, 9};

}  // namespace

TEST_CASE("a fresh linear layer has the deviation asked for and zero bias, fixed by its generator") {
  Rng rng(4), same(4);
  const Linear<float> a(50, 40, 0.02, rng), b(50, 40, 0.02, same), c(50, 40, 0.02, rng);
  CHECK(a.weight.shape() == Shape{40, 50});
  CHECK(a.weight.to_vector() == b.weight.to_vector());
  CHECK(a.weight.to_vector() != c.weight.to_vector());
  double squares = 0;
  for (const float x : a.weight.to_vector()) squares += double(x) * double(x);
  CHECK(std::abs(std::sqrt(squares / 2000) - 0.02) < 4 * 0.02 / std::sqrt(4000.0));
  CHECK(a.bias.to_vector() == std::vector<float>(40, 0.0F));
  CHECK(a.weight.requires_grad());
  CHECK(names_of(a) == std::vector<std::string>{"p..weight", "p..bias"});
}

TEST_CASE("layer norm starts as the plain normalisation") {
  const LayerNorm<double> norm(4, 0.0);
  const auto y = norm(Tensor<double>::from({1, 2, 3, 6}, {1, 4})).to_vector();
  const double deviation = std::sqrt((4.0 + 1 + 0 + 9) / 4);
  CHECK(relative_error(y, std::vector<double>{-2 / deviation, -1 / deviation, 0, 3 / deviation}) < 1e-12);
}

TEST_CASE("an embedding looks rows up and keeps its gradient to the rows it touched") {
  Embedding<double> embedding(5, 2);
  embedding.weight = tensor<double, Cpu>({5, 2});
  embedding.weight.requires_grad(true);
  const std::vector<Index> ids{4, 1, 4};
  const auto rows = embedding(std::span<const Index>(ids));
  const auto table = embedding.weight.to_vector();
  CHECK(rows.to_vector() == std::vector<double>{table[8], table[9], table[2], table[3], table[8], table[9]});
  const std::vector<TokenId> outside{TokenId{5}};
  REQUIRE_ERROR(embedding(std::span<const TokenId>(outside)), "cloze.gather.2");
}

TEST_CASE("a layer names its parameters as Hugging Face does, queries, keys and values as slices of one") {
  const auto made = layer<Cpu>();
  std::vector<ParameterSlot<double, Cpu>> slots;
  made.visit("l.", {}, [&](const auto& slot) { slots.push_back(slot); });
  const auto entries = state_entries(slots);
  CHECK(slots.size() == 12);
  CHECK(entries.size() == 16);
  CHECK(entries[1].name == "l.attention.self.key.weight");
  CHECK(entries[1].first_row == 6);
  CHECK(entries[1].shape() == Shape{6, 6});
  const auto whole = made.attention.qkv.weight.to_vector();
  CHECK(entries[1].slice().to_vector() == std::vector<double>(whole.begin() + 36, whole.begin() + 72));
  const auto parameters = parameter_list(slots);
  for (const auto& parameter : parameters) CHECK(parameter.decay == (parameter.tensor.rank() > 1));
}

TEMPLATE_TEST_CASE("gradients of a whole layer agree with differences, dropout included", "", Cpu, Reference) {
  const auto made = layer<TestType>();
  std::vector<Tensor<double, TestType>> inputs{tensor<double, TestType>({9, 6}, 50)};
  made.visit("", {}, [&](const ParameterSlot<double, TestType>& slot) { inputs.push_back(slot.tensor); });
  const EncoderLayerDropout dropout{{0.2, 1}, {0.3, 2}, {0.4, 3}};
  const auto report = gradcheck<TestType>(
      [&](const std::vector<Tensor<double, TestType>>& in) { return made(in[0], lengths, dropout); }, inputs);
  INFO(report.message);
  CHECK(report.ok);
  const RowSelection selection(std::vector<Index>{1, 3, 7, 7, 8}, lengths);
  const auto rows_report = gradcheck<TestType>(
      [&](const std::vector<Tensor<double, TestType>>& in) { return made(in[0], selection, lengths, dropout); },
      inputs);
  INFO(rows_report.message);
  CHECK(rows_report.ok);
}

TEMPLATE_TEST_CASE("the selected rows of a layer are the rows of the whole", "", Cpu, Reference) {
  const auto made = layer<TestType>();
  const auto x = tensor<double, TestType>({9, 6}, 50);
  const EncoderLayerDropout dropout{{0.2, 1}, {0.3, 2}, {0.4, 3}};
  const std::vector<Index> rows{0, 2, 3, 6, 8};
  const auto whole = made(x, lengths, dropout).to_vector();
  const auto some = made(x, RowSelection(rows, lengths), lengths, dropout).to_vector();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto begin = whole.begin() + rows[i] * 6;
    const auto found = some.begin() + static_cast<Index>(i) * 6;
    CHECK(relative_error(std::vector<double>(found, found + 6), std::vector<double>(begin, begin + 6)) < 1e-13);
  }
}

TEST_CASE("a selection knows the sequence and position of each row") {
  const RowSelection some(std::vector<Index>{0, 2, 4, 8}, lengths);
  CHECK(some.cu_seqlens == List<Index>{0, 2, 2, 3, 4});
  CHECK(some.positions == List<Index>{0, 2, 1, 0});
  const RowSelection none(std::vector<Index>{}, lengths);
  CHECK(none.cu_seqlens == List<Index>(5, 0));
  const RowSelection empty(std::vector<Index>{}, std::vector<Index>{0});
  CHECK(empty.cu_seqlens == List<Index>{0});
  REQUIRE_ERROR(RowSelection(std::vector<Index>{9}, lengths), "cloze.nn.2");
  REQUIRE_ERROR(RowSelection(std::vector<Index>{-1}, lengths), "cloze.nn.2");
  REQUIRE_ERROR(RowSelection(std::vector<Index>{3, 2}, lengths), "cloze.nn.2");
  REQUIRE_ERROR(RowSelection(std::vector<Index>{}, std::vector<Index>{}), "cloze.nn.2");
}

TEST_CASE("a forward context draws keys only in training, in order, and needs a generator then") {
  Rng rng(9), same(9);
  const ForwardContext training{.training = true, .rng = &rng};
  CHECK(ForwardContext{}.dropout(0.5).p == 0);
  CHECK(training.dropout(0).p == 0);
  CHECK(rng.state().position == 0);
  const auto first = training.dropout(0.25);
  CHECK(first.p == 0.25);
  CHECK(first.key == same.next_u64());
  CHECK(training.dropout(0.25).key == same.next_u64());
  REQUIRE_ERROR(ForwardContext{.training = true}.dropout(0.1), "cloze.nn.1");
  for (const double bad : {-0.1, 1.0, double(NAN)}) REQUIRE_ERROR(training.dropout(bad), "cloze.nn.1");
}
