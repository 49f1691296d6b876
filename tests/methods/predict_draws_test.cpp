#include <cloze/methods/predict_draws.hpp>

#include <cmath>

#include <cloze/methods/calibration.hpp>
#include <cloze/prompt/word_verbalizer.hpp>

#include "support/catch.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;

namespace {

// Scores from the text and one random number, as a classifier with demonstrations has them.
struct Noisy {
  using value_type = double;
  using device = Cpu;
  double noise = 1;
  std::vector<double> bias{0.5, -1, 0.2};

  Tensor<double> scores(std::span<const Example> examples, const ForwardContext&, Rng& rng) const {
    std::vector<double> values;
    for (const Example& example : examples)
      for (std::size_t label = 0; label < bias.size(); ++label)
        values.push_back(bias[label] + noise * rng.normal() + (example.text_a == std::to_string(label) ? 1.5 : 0));
    return Tensor<double>::from(values, {static_cast<Index>(examples.size()), static_cast<Index>(bias.size())});
  }
};
static_assert(ScoresExamples<Noisy> && ScoresExamples<CalibratedClassifier<Noisy>>);
static_assert(!PacksExamples<CalibratedClassifier<Noisy>>);

std::vector<Example> numbers(int count) {
  std::vector<Example> examples;
  for (int i = 0; i < count; ++i) examples.push_back({.text_a = std::to_string(i % 3)});
  return examples;
}

std::vector<double> softmax_of(std::span<const double> scores) {
  std::vector<double> shares;
  double total = 0;
  for (const double score : scores) total += std::exp(score);
  for (const double score : scores) shares.push_back(std::exp(score) / total);
  return shares;
}

}  // namespace

TEST_CASE("draws are independent, averaged label by label, and the first is that of predict") {
  const Noisy classifier;
  const auto examples = numbers(7);
  const PredictOptions options{.seed = 3, .batch_examples = 2};
  const Evaluation single = predict(classifier, std::span<const Example>(examples), options);
  const Evaluation one = predict_draws(classifier, examples, {.draws = 1, .predict = options});
  CHECK(one.scores == single.scores);
  CHECK(one.predictions == single.predictions);

  // Each draw by itself, from the seeds that the documentation promises.
  std::vector<Evaluation> draws{single};
  Rng seeds(3, "draws");
  for (int d = 1; d < 4; ++d) {
    PredictOptions next = options;
    next.seed = seeds.next_u64();
    draws.push_back(predict(classifier, std::span<const Example>(examples), next));
    CHECK(draws.back().scores != single.scores);
  }
  const Evaluation mean = predict_draws(classifier, examples, {.draws = 4, .predict = options});
  const Evaluation shares =
      predict_draws(classifier, examples, {.draws = 4, .average = DrawAverage::probabilities, .predict = options});
  REQUIRE(mean.predictions.size() == 7);
  for (Index i = 0; i < 7; ++i) {
    Index best = 0, best_share = 0;
    for (Index l = 0; l < 3; ++l) {
      double sum = 0, probability = 0;
      for (const Evaluation& draw : draws) {
        sum += draw.row(i)[static_cast<std::size_t>(l)];
        probability += softmax_of(draw.row(i))[static_cast<std::size_t>(l)];
      }
      CHECK(mean.row(i)[static_cast<std::size_t>(l)] == Approx(sum / 4));
      CHECK(std::exp(shares.row(i)[static_cast<std::size_t>(l)]) == Approx(probability / 4));
      if (mean.row(i)[static_cast<std::size_t>(l)] > mean.row(i)[static_cast<std::size_t>(best)]) best = l;
      if (shares.row(i)[static_cast<std::size_t>(l)] > shares.row(i)[static_cast<std::size_t>(best_share)])
        best_share = l;
    }
    CHECK(value(mean.predictions[static_cast<std::size_t>(i)]) == best);
    CHECK(value(shares.predictions[static_cast<std::size_t>(i)]) == best_share);
  }
  const Evaluation same = predict_draws(classifier, examples, {.draws = 4, .predict = options});
  CHECK(same.scores == mean.scores);
}

TEST_CASE("sixteen draws are steadier than one, nothing gives nothing, and no draws are an error") {
  const Noisy classifier{.noise = 2};
  const auto examples = numbers(300);
  const auto right = [&](Index draws) {
    const Evaluation found = predict_draws(classifier, examples, {.draws = draws});
    int count = 0;
    for (std::size_t i = 0; i < examples.size(); ++i) count += value(found.predictions[i]) == static_cast<Index>(i % 3);
    return count;
  };
  CHECK(right(16) > right(1) + 30);
  CHECK(predict_draws(classifier, std::vector<Example>{}).predictions.empty());
  REQUIRE_ERROR(predict_draws(classifier, examples, {.draws = 0}), "cloze.method.4");
}

TEST_CASE("the content-free prior is the mean probability over texts and draws") {
  const Noisy quiet{.noise = 0};
  const auto share = softmax_of(quiet.bias);
  const auto prior = content_free_prior(quiet);
  REQUIRE(prior.size() == 3);
  for (std::size_t l = 0; l < 3; ++l) CHECK(prior[l] == Approx(share[l]));
  const auto mixed = content_free_prior(quiet, {.texts = {"0", "N/A"}});
  const auto first = softmax_of(std::vector<double>{2.0, -1, 0.2});
  for (std::size_t l = 0; l < 3; ++l) CHECK(mixed[l] == Approx((share[l] + first[l]) / 2));
  const Noisy noisy;
  const auto one = content_free_prior(noisy), many = content_free_prior(noisy, {.draws = 20});
  CHECK(one != many);
  CHECK(many[0] + many[1] + many[2] == Approx(1));
  REQUIRE_ERROR(content_free_prior(quiet, {.texts = {}}), "cloze.calibration.3");
  REQUIRE_ERROR(content_free_prior(quiet, {.draws = 0}), "cloze.calibration.3");
}

TEST_CASE("a calibrated classifier has no preference without content, and divides probabilities by the prior") {
  const Noisy biased{.noise = 0, .bias = {3, 0, 0}};
  const auto examples = numbers(6);
  CHECK(predict(biased, std::span<const Example>(examples)).predictions == std::vector<LabelId>(6, LabelId{0}));
  const auto prior = content_free_prior(biased);
  const CalibratedClassifier fair(biased, prior);
  for (const double share : content_free_prior(fair)) CHECK(share == Approx(1.0 / 3));
  const Evaluation found = predict(fair, std::span<const Example>(examples));
  const Evaluation before = predict(biased, std::span<const Example>(examples));
  for (Index i = 0; i < 6; ++i) {
    CHECK(value(found.predictions[static_cast<std::size_t>(i)]) == i % 3);
    auto wanted = softmax_of(before.row(i));  // p / prior, normalised
    double total = 0;
    for (std::size_t l = 0; l < 3; ++l) total += wanted[l] /= prior[l];
    const auto shares = softmax_of(found.row(i));
    for (std::size_t l = 0; l < 3; ++l) CHECK(shares[l] == Approx(wanted[l] / total));
  }
  REQUIRE_ERROR(predict(CalibratedClassifier(biased, std::vector<double>{1, 1}), std::span<const Example>(examples)),
                "cloze.calibration.2");
  for (const std::vector<double>& bad : {std::vector<double>{}, {1, 0, 1}, {1, -1, 1}, {1, std::nan(""), 1}})
    REQUIRE_ERROR(CalibratedClassifier(biased, bad), "cloze.calibration.1");
}

TEST_CASE("a calibrated verbalizer shifts label scores, keeps the words, and passes gradients on") {
  const test::ToyTokenizer tokenizer;
  const WordVerbalizer words(tokenizer, {{"0", {"bad", "awful"}}, {"1", {"good"}}});
  const std::vector<double> prior{0.8, 0.2};
  const CalibratedVerbalizer fair(words, prior);
  CHECK(std::ranges::equal(fair.words(), words.words()));
  CHECK(std::ranges::equal(fair.label_words(), words.label_words()));
  auto scores = Tensor<float>::from(std::vector<float>{1, 3, 2, -1, 0, 5}, {2, 3});
  scores.requires_grad(true);
  const auto before = words(scores), after = fair(scores);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(after.to_vector()[i] == Approx(before.to_vector()[i] - std::log(prior[i % 2])));
  sum(after).backward();
  CHECK(scores.grad().to_vector() == std::vector<float>{0.5f, 0.5f, 1, 0.5f, 0.5f, 1});
  REQUIRE_ERROR(CalibratedVerbalizer(words, std::vector<double>{1, 0}), "cloze.calibration.1");
  REQUIRE_ERROR(CalibratedVerbalizer(words, std::vector<double>{1, 1, 1})(scores), "cloze.calibration.2");
}
