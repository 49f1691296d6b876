#include <cloze/methods/in_context.hpp>

#include <cloze/methods/calibration.hpp>
#include <cloze/methods/predict_draws.hpp>
#include <cloze/prompt/auto_demos.hpp>
#include <cloze/text/cached_tokenizer.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

namespace {

struct TinyFolder : test::TemporaryFolder {
  TinyFolder() { test::write_tiny_task_model(path()); }
};

struct Tiny {
  TinyFolder folder;
  Tokenizer tokenizer = Tokenizer::from_pretrained(folder.path());
  BertForMaskedLM<float> model = BertForMaskedLM<float>::from_pretrained(folder.path());
  WordVerbalizer words{tokenizer, {{"0", {"terrible"}}, {"1", {"great"}}}};
  // Two tokens each, so that 24 positions hold the query and two of them.
  std::vector<Example> data{{.text_a = "sun warm", .label = LabelId{1}, .source = "d:1"},
                            {.text_a = "rain cold", .label = LabelId{0}, .source = "d:2"},
                            {.text_a = "the night", .label = LabelId{0}, .source = "d:3"}};
  Template prompt{"{text_a} it was {mask}."};

  auto classifier(const InContextOptions& options) const {
    return in_context(model, tokenizer, prompt, words, data, options);
  }
};

}  // namespace

TEST_CASE("in-context learning shows so many examples with their words, at the place asked for, and trains nothing") {
  const Tiny tiny;
  const Example query{.text_a = "a very cold sea"};
  for (const DemoPlace place : {DemoPlace::after, DemoPlace::before}) {
    const auto classifier = tiny.classifier({.demonstrations = 2, .place = place, .max_length = 24});
    Rng rng(5), same(5);
    const PackedBatch batch = classifier.batch(std::span(&query, 1), rng);
    std::string shown;
    for (const Demonstration& demo : InContextDemos(tiny.data, {.count = 2}).sample(query, same))
      shown += " " + demo.example->text_a + " it was " + (*demo.example->label == LabelId{1} ? "great" : "terrible") +
               " . [SEP]";
    const std::string asked = " a very cold sea it was [MASK] . [SEP]";
    std::string found;
    for (const TokenId id : batch.ids) found += (found.empty() ? "" : " ") + std::string(tiny.tokenizer.token(id));
    CHECK(found == (place == DemoPlace::after ? "[CLS]" + asked + shown : "[CLS]" + shown + asked));
    const Evaluation answer = predict(classifier, std::span(&query, 1), {.seed = 5});
    CHECK(answer.labels == 2);
  }
}

TEST_CASE("a prompt that is too long shows fewer demonstrations, whole ones") {
  const Tiny tiny;
  const Example query{.text_a = "a very cold sea"};
  const auto classifier = tiny.classifier({.demonstrations = 3, .max_length = 24});
  Rng rng(1);
  const PackedBatch batch = classifier.batch(std::span(&query, 1), rng);
  CHECK(batch.tokens() == 10 + 2 * 7);
  CHECK(batch.mask_rows == std::vector<Index>{7});
}

TEST_CASE("LM-BFF's own in-context template runs too, cut at its head") {
  const Tiny tiny;
  const Template compat = Template::lmbff(
      lmbff_expand_in_context("*cls**sent_0*_it_was*mask*.*sep+*", 3, DemoPlace::before, true), {.compat = true});
  const auto classifier =
      in_context(tiny.model, tiny.tokenizer, compat, tiny.words, tiny.data, {.demonstrations = 3, .max_length = 24});
  const Example query{.text_a = "a very cold sea"};
  Rng rng(1);
  const PackedBatch batch = classifier.batch(std::span(&query, 1), rng);
  CHECK(batch.tokens() == 24);  // of 31: the first demonstration is gone
  CHECK(batch.mask_rows == std::vector<Index>{21});
  CHECK(batch.ids[14] == *tiny.tokenizer.special().cls);  // the quirk: cls inside the sequence
}

TEST_CASE("draws are averaged, calibration applies, and a tokenizer that remembers changes nothing") {
  const Tiny tiny;
  const InContextOptions options{.demonstrations = 2, .max_length = 24};
  const auto classifier = tiny.classifier(options);
  const auto queries = test::tiny_examples(5);
  const Evaluation mean = predict_draws(classifier, queries, {.draws = 3});
  const auto remembering =
      in_context(tiny.model, CachedTokenizer(tiny.tokenizer), tiny.prompt, tiny.words, tiny.data, options);
  CHECK(predict_draws(remembering, queries, {.draws = 3}).scores == mean.scores);
  const auto prior = content_free_prior(classifier, {.draws = 2});
  CHECK(prior[0] + prior[1] == Approx(1));
  const CalibratedClassifier fair(classifier, prior);
  static_assert(PacksExamples<decltype(fair)>);
  const Evaluation shifted = predict(fair, queries), plain = predict(classifier, queries);
  for (std::size_t i = 0; i < plain.scores.size(); ++i)
    CHECK(shifted.scores[i] == Approx(plain.scores[i] - std::log(prior[i % 2])).epsilon(1e-5));
  const PromptClassifier by_words(tiny.model, tiny.tokenizer, tiny.prompt, CalibratedVerbalizer(tiny.words, prior),
                                  InContextDemos(tiny.data, {.count = 2}), classifier.options());
  const Evaluation same = predict(by_words, queries);
  for (std::size_t i = 0; i < plain.scores.size(); ++i)
    CHECK(same.scores[i] == Approx(shifted.scores[i]).epsilon(1e-5));
}

TEST_CASE("more demonstrations than examples is an error when the classifier is made") {
  const Tiny tiny;
  REQUIRE_ERROR(tiny.classifier({.demonstrations = 4}), "cloze.demos.2");
  REQUIRE_ERROR(predict(tiny.classifier({.demonstrations = 3, .max_length = 24}), std::span<const Example>(tiny.data)),
                "cloze.demos.3");
}
