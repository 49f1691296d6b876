#include <cloze/prompt/regression_verbalizer.hpp>

#include <cmath>
#include <limits>

#include <cloze/data/tasks.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;
using test::ToyTokenizer;

namespace {

RegressionVerbalizer no_yes(Bounds bounds = {0, 5}) { return {ToyTokenizer(), "No", "Yes", bounds}; }

using Table = Tensor<double>;

}  // namespace

TEST_CASE("a prediction is the lower bound plus the width times the probability of the high word") {
  const auto values = no_yes({1, 5})(Table::from({0.0, 0.0, 0.0, std::log(3.0), 40.0, 0.0, 0.0, 800.0}, {4, 2}));
  CHECK(values.shape() == Shape{4, 1});
  CHECK(values.to_vector()[0] == Approx(3));
  CHECK(values.to_vector()[1] == Approx(4));  // 1 + 4 · 3/4
  CHECK(values.to_vector()[2] == Approx(1));
  CHECK(values.to_vector()[3] == Approx(5));
  CHECK(no_yes()(Table::zeros({0, 2})).shape() == Shape{0, 1});
}

TEST_CASE("the right loss is the divergence from the target, and the compat loss is LM-BFF's, by hand") {
  // y = 1 in [0, 5]: u = 1/5, t = (4/5, 1/5). Scores (0, ln 3): p = (1/4, 3/4).
  const auto scores = Table::from({0.0, std::log(3.0)}, {1, 2});
  const std::vector<float> target{1};
  const double right = 0.8 * std::log(0.8 / 0.25) + 0.2 * std::log(0.2 / 0.75);
  CHECK(right == Approx(0.66616948).epsilon(1e-7));  // by hand
  CHECK(no_yes().loss(scores, target).item() == Approx(right).epsilon(1e-7));
  // The original: the mean over both words of exp(t)(t - log p).
  const double quirk = (std::exp(0.8) * (0.8 - std::log(0.25)) + std::exp(0.2) * (0.2 - std::log(0.75))) / 2;
  CHECK(quirk == Approx(2.73067191).epsilon(1e-8));  // by hand
  CHECK(no_yes().loss(scores, target, PoleLoss::lmbff_compat).item() == Approx(quirk).epsilon(1e-7));
}

TEST_CASE("the right loss is least at the target and 0 there; the compat loss at sigmoid(2u - 1)") {
  for (const float y : {0.0f, 0.5f, 2.5f, 4.0f, 5.0f}) {
    const double u = static_cast<double>(y) / 5;
    const auto at = [&](double p, PoleLoss kind) {
      return no_yes().loss(Table::from({std::log(1 - p), std::log(p)}, {1, 2}), std::vector<float>{y}, kind).item();
    };
    const double squeezed = 1 / (1 + std::exp(1 - 2 * u)), inside = std::min(std::max(u, 1e-12), 1 - 1e-12);
    CHECK(std::abs(at(inside, PoleLoss::divergence)) < 1e-6);
    for (const double p : {0.01, 0.2, 0.35, 0.5, 0.65, 0.8, 0.99}) {
      CHECK(at(p, PoleLoss::divergence) >= at(inside, PoleLoss::divergence));
      CHECK(at(p, PoleLoss::lmbff_compat) >= at(squeezed, PoleLoss::lmbff_compat) - 1e-12);
    }
  }
}

TEST_CASE("losses are means over the examples, with exact gradients") {
  const std::vector<float> targets{0, 1.25f, 5};
  const auto scores = Table::from({0.3, -0.2, 1.0, 2.0, -1.5, 0.25}, {3, 2});
  for (const PoleLoss kind : {PoleLoss::divergence, PoleLoss::lmbff_compat}) {
    double sum = 0;
    const auto values = scores.to_vector();
    for (std::size_t i = 0; i < 3; ++i)
      sum += no_yes()
                 .loss(Table::from({values[2 * i], values[2 * i + 1]}, {1, 2}), std::vector<float>{targets[i]}, kind)
                 .item();
    CHECK(no_yes().loss(scores, targets, kind).item() == Approx(sum / 3));
    const auto loss = [&](const auto& x) { return no_yes().loss(x[0], targets, kind); };
    CLOZE_GRADCHECK(Cpu, loss, Shape{3, 2});
    CLOZE_GRADCHECK(Reference, loss, Shape{3, 2});
  }
}

TEST_CASE("a regression verbalizer is made of a task's words and bounds") {
  const ToyTokenizer tokenizer;
  const RegressionVerbalizer verbalizer(tokenizer, tasks::stsb());
  CHECK(verbalizer.words()[0] == tokenizer.encode(" No")[0]);
  CHECK(verbalizer.label_words()[1] == tokenizer.encode(" Yes")[0]);
  CHECK(verbalizer.bounds().upper == 5);
  REQUIRE_ERROR(RegressionVerbalizer(tokenizer, tasks::sst2()), "cloze.regression.2");
}

TEST_CASE("bad words, bounds and targets of a regression are named") {
  const ToyTokenizer tokenizer;
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  REQUIRE_ERROR(RegressionVerbalizer(tokenizer, "unreasonably", "Yes", {0, 5}), "cloze.verbalizer.1");
  REQUIRE_ERROR(RegressionVerbalizer(tokenizer, "Yes", "Yes", {0, 5}), "cloze.verbalizer.1");
  for (const Bounds bounds : {Bounds{5, 5}, Bounds{5, 0}, Bounds{nan, 1}, Bounds{0, inf}})
    REQUIRE_ERROR(no_yes(bounds), "cloze.regression.1");
  const auto scores = Table::zeros({1, 2});
  for (const float target : {-0.1f, 5.1f, nan, inf})
    REQUIRE_ERROR(no_yes().loss(scores, std::vector<float>{target}), "cloze.regression.3");
  REQUIRE_ERROR(no_yes().loss(scores, std::vector<float>{1, 2}), "cloze.regression.3");
  REQUIRE_ERROR(no_yes()(Table::zeros({1, 3})), "cloze.verbalizer.3");
  REQUIRE_ERROR(no_yes().loss(Table::zeros({0, 2}), std::vector<float>{}), "cloze.losses.4");
}
