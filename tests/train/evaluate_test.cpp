#include <cloze/train/evaluate.hpp>

#include <cmath>
#include <string>

#include <cloze/train/best.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

// The score of label j for example i.
double score_of(Index i, Index j) { return std::sin(static_cast<double>(3 * i + 5 * j * j)); }

Tensor<float> scores(std::span<const Index> batch) {
  std::vector<float> values;
  for (const Index i : batch)
    for (Index j = 0; j < 3; ++j) values.push_back(static_cast<float>(score_of(i, j)));
  return Tensor<float>::from(values, {static_cast<Index>(batch.size()), 3});
}

}  // namespace

TEST_CASE("evaluation puts scores and predictions in the order of the examples, whatever the batches") {
  const std::vector<std::vector<Index>> mixed{{6, 2}, {}, {0, 1, 3}, {5}, {4}};
  for (const auto& batches : {mixed, sequential_batches(7, 3), sequential_batches(7, 100)}) {
    const auto result = evaluate(scores, 7, batches);
    CHECK(result.labels == 3);
    for (Index i = 0; i < 7; ++i) {
      Index best = 0;
      for (Index j = 0; j < 3; ++j) {
        CHECK(result.row(i)[static_cast<std::size_t>(j)] == static_cast<float>(score_of(i, j)));
        if (score_of(i, j) > score_of(i, best)) best = j;
      }
      CHECK(value(result.predictions[static_cast<std::size_t>(i)]) == best);
    }
  }
  CHECK(evaluate(scores, 0, {}).predictions.empty());
}

TEST_CASE("a scorer may take the examples themselves, and records no gradients") {
  const std::vector<std::string> words{"a", "bbb", "cc"};
  auto weight = Tensor<double>::from({1.0}, {1});
  weight.requires_grad(true);
  const auto result = evaluate(
      [&](const std::vector<std::string>& batch) {
        CHECK_FALSE(grad_enabled());
        std::vector<double> values;
        for (const auto& word : batch) values.insert(values.end(), {2.0, static_cast<double>(word.size())});
        return Tensor<double>::from(values, {static_cast<Index>(batch.size()), 2});
      },
      words, sequential_batches(3, 2));
  const bool tie_goes_first = result.predictions == std::vector<LabelId>{LabelId{0}, LabelId{1}, LabelId{0}};
  CHECK(tie_goes_first);
  CHECK(grad_enabled());
}

TEST_CASE("batches that miss or repeat an example and scores of another shape or NaN are refused") {
  const auto with = [](std::vector<std::vector<Index>> batches) { return evaluate(scores, 3, batches); };
  REQUIRE_ERROR(with({{0, 1}}), "cloze.evaluate.1");
  REQUIRE_ERROR(with({{0, 1}, {1, 2}}), "cloze.evaluate.1");
  REQUIRE_ERROR(with({{0, 1, 2, 3}}), "cloze.evaluate.1");
  REQUIRE_ERROR(with({{0, -1}}), "cloze.evaluate.1");
  const auto shaped = [](Shape shape) {
    return evaluate([&](std::span<const Index>) { return Tensor<double>::zeros(shape); }, 2, sequential_batches(2, 2));
  };
  for (const Shape& shape : {Shape{2}, Shape{1, 3}, Shape{2, 0}, Shape{2, 2, 1}})
    REQUIRE_ERROR(shaped(shape), "cloze.evaluate.2");
  Index columns = 2;
  REQUIRE_ERROR(evaluate(
                    [&](std::span<const Index>) {
                      return Tensor<double>::zeros({1, columns++});
                    },
                    2, sequential_batches(2, 1)),
                "cloze.evaluate.2");
  REQUIRE_ERROR(evaluate(
                    [](std::span<const Index>) {
                      return Tensor<double>::full({2, 2}, std::nan(""));
                    },
                    2, sequential_batches(2, 2)),
                "cloze.evaluate.3");
}

TEST_CASE("the best parameters are those of the first highest score, and come back") {
  auto weight = Tensor<float>::from({1, 2}, {2}), frozen = Tensor<float>::from({9}, {1});
  weight.requires_grad(true);
  BestParameters best(ParameterList<float>({{"w", weight, true}, {"f", frozen, true}}));
  REQUIRE_ERROR(best.restore(), "cloze.best.1");
  CHECK_FALSE(best.update(std::nan("")));
  CHECK_FALSE(best.score());
  const std::vector<double> dev{0.5, 0.7, 0.7, std::nan(""), 0.6};
  std::vector<bool> kept;
  for (std::size_t i = 0; i < dev.size(); ++i) {
    weight.data()[0] = static_cast<float>(10 + i);
    kept.push_back(best.update(dev[i]));
  }
  const bool first_of_equals = kept == std::vector<bool>{true, true, false, false, false};
  CHECK(first_of_equals);
  CHECK(*best.score() == 0.7);
  best.restore();
  CHECK(weight.to_vector() == std::vector<float>{11, 2});
  weight.data()[0] = 5;
  best.restore();
  CHECK(weight.to_vector() == std::vector<float>{11, 2});
}
