#include <cloze/methods/predict.hpp>

#include <cmath>
#include <ranges>

#include <cloze/methods/prompt_classifier.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;
using cloze::test::tiny_examples;

namespace {

/// Scores examples by their text alone, and notes how they came.
struct ByText {
  using value_type = double;
  using device = Cpu;
  std::vector<std::size_t>* batches;

  Tensor<double> scores(std::span<const Example> examples, const ForwardContext&, Rng& rng) const {
    batches->push_back(examples.size());
    std::vector<double> values;
    for (const Example& example : examples) {
      values.push_back(static_cast<double>(example.text_a.size()) - 3);
      values.push_back(static_cast<double>(rng.next_u64() % 100) / 1000);
    }
    return Tensor<double>::from(values, {static_cast<Index>(examples.size()), 2});
  }
};

/// The same for examples rendered beforehand: as many tokens as bytes, and one demonstration drawn for each.
struct ByTokens : ByText {
  using ByText::scores;
  PackedBatch batch(std::span<const Example> examples, Rng& rng) const {
    PackedBatch packed;
    for (const Example& example : examples) {
      Prompt prompt{.ids = std::vector<TokenId>(example.text_a.size(), TokenId{7})};
      prompt.ids.push_back(static_cast<TokenId>(rng.next_u64() % 100));
      packed.append(prompt);
    }
    return packed;
  }
  Tensor<double> scores(const PackedBatch& packed, const ForwardContext&) const {
    CHECK_FALSE(grad_enabled());
    batches->push_back(static_cast<std::size_t>(packed.tokens()));
    std::vector<double> values;
    for (Index s = 0; s < packed.sequences(); ++s) {
      const auto last = static_cast<std::size_t>(packed.cu_seqlens[static_cast<std::size_t>(s) + 1] - 1);
      values.push_back(static_cast<double>(packed.length(s) - 1) - 3);
      values.push_back(static_cast<double>(value(packed.ids[last])) / 1000);
    }
    return Tensor<double>::from(values, {packed.sequences(), 2});
  }
};

std::vector<Example> of_lengths(const std::vector<std::size_t>& lengths) {
  std::vector<Example> examples;
  for (const std::size_t length : lengths) examples.push_back({.text_a = std::string(length, 'x')});
  return examples;
}

}  // namespace

TEST_CASE("answers come in the order of the examples, and do not depend on batches or windows") {
  const auto examples = of_lengths({5, 1, 9, 3, 3, 0, 30, 2, 7, 1});
  std::vector<std::size_t> batches;
  const ByTokens classifier{{&batches}};
  std::vector<double> wanted;
  Rng rng(3, "evaluation demos");
  for (const Example& example : examples) {
    wanted.push_back(static_cast<double>(example.text_a.size()) - 3);
    wanted.push_back(static_cast<double>(rng.next_u64() % 100) / 1000);
  }
  for (const Index window : {1, 3, 10, 1000}) {
    for (const Index tokens : {1, 12, 1024}) {
      const auto found = predict(classifier, examples, {.seed = 3, .batch_tokens = tokens, .window = window});
      CHECK(found.scores == wanted);
      CHECK(found.labels == 2);
    }
  }
  batches.clear();
  predict(classifier, examples, {.batch_tokens = 12});
  CHECK(batches == std::vector<std::size_t>{31, 10, 8, 10, 12});  // longest first; one beyond the budget goes alone
  batches.clear();
  const ByText plain{&batches};
  CHECK(predict(plain, examples, {.seed = 3, .batch_examples = 4}).scores == wanted);
  CHECK(batches == std::vector<std::size_t>{4, 4, 2});
  CHECK(predict(classifier, std::vector<Example>{}).predictions.empty());
}

TEST_CASE("a stream of examples is answered one after another, with no more than a window held") {
  std::vector<std::size_t> batches;
  const ByTokens classifier{{&batches}};
  Index read = 0, answered = 0, most = 0;
  auto stream = std::views::iota(0, 1000) | std::views::transform([&](int i) {
                  ++read;
                  return Example{.text_a = std::string(static_cast<std::size_t>(i % 7), 'x')};
                });
  const auto count = predict_each(classifier, stream,
                                  [&](const Example& example, LabelId label, std::span<const double> scores) {
                                    most = std::max(most, read - answered);
                                    CHECK(example.text_a.size() == static_cast<std::size_t>(answered % 7));
                                    CHECK(scores[0] == static_cast<double>(answered % 7) - 3);
                                    CHECK(label == (scores[0] >= scores[1] ? LabelId{0} : LabelId{1}));
                                    ++answered;
                                  },
                                  {.window = 64});
  CHECK(count == 1000);
  CHECK(answered == 1000);
  CHECK(most == 64);
}

TEST_CASE("a model scores sorted batches of tokens as it scores each example alone") {
  test::TemporaryFolder folder;
  test::write_tiny_task_model(folder.path());
  const auto tokenizer = Tokenizer::from_pretrained(folder.path());
  const PromptClassifier classifier(BertForMaskedLM<float>::from_pretrained(folder.path()), tokenizer,
                                    Template("{text_a} it was {mask}."),
                                    WordVerbalizer(tokenizer, {{"no", {"terrible"}}, {"yes", {"great"}}}));
  auto examples = tiny_examples(17);
  examples[4].text_a = "sun";
  examples[9].text_a += " the sea and the hill and the town";
  Rng rng(0);
  for (const Index tokens : {1, 40, 1024}) {
    const auto found = predict(classifier, examples, {.batch_tokens = tokens});
    for (std::size_t i = 0; i < examples.size(); ++i) {
      const NoGrad no_grad;
      const auto alone = classifier.scores(std::span<const Example>(examples).subspan(i, 1), {}, rng).to_vector();
      for (std::size_t label = 0; label < 2; ++label)
        CHECK(found.row(static_cast<Index>(i))[label] == Approx(alone[label]).epsilon(1e-5));
    }
  }
}

TEST_CASE("batches and windows that hold nothing are refused") {
  const auto examples = of_lengths({1, 2});
  std::vector<std::size_t> batches;
  REQUIRE_ERROR(predict(ByTokens{{&batches}}, examples, {.window = 0}), "cloze.predict.1");
  REQUIRE_ERROR(predict(ByTokens{{&batches}}, examples, {.batch_tokens = 0}), "cloze.sampler.2");
  REQUIRE_ERROR(predict(ByText{&batches}, examples, {.batch_examples = -1}), "cloze.sampler.2");
  struct LosesOne : ByTokens {
    PackedBatch batch(std::span<const Example>, Rng& rng) const { return ByTokens::batch(of_lengths({1}), rng); }
  };
  REQUIRE_ERROR(predict(LosesOne{{{&batches}}}, examples), "cloze.evaluate.1");
}
