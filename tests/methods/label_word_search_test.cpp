#include <cloze/methods/label_word_search.hpp>

#include <cmath>

#include <cloze/methods/predict.hpp>
#include <cloze/methods/prompt_classifier.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;

namespace {

struct Tiny {
  test::TemporaryFolder folder;
  Tiny() { test::write_tiny_task_model(folder.path()); }
  Tokenizer tokenizer() const { return Tokenizer::from_pretrained(folder.path()); }
  BertForMaskedLM<float> model() const { return BertForMaskedLM<float>::from_pretrained(folder.path()); }
  static Template prompt() { return Template("{text_a} it was {mask}."); }
};

const std::vector<std::string> binary{"0", "1"};

}  // namespace

TEST_CASE("vocabulary_scores are the head's scores at each mask, whatever the batches") {
  const Tiny tiny;
  const auto model = tiny.model();
  const auto tokenizer = tiny.tokenizer();
  const auto examples = test::tiny_examples(9);
  const auto all = vocabulary_scores(model, tokenizer, Tiny::prompt(), examples);
  CHECK(all.examples() == 9);
  CHECK(all.vocab == test::tiny_vocab);
  const auto small = vocabulary_scores(model, tokenizer, Tiny::prompt(), examples, {}, 1);
  for (std::size_t i = 0; i < all.values.size(); ++i) CHECK(small.values[i] == Approx(all.values[i]).margin(1e-5));
  for (Index i = 0; i < 9; ++i) {
    const PromptClassifier one(model, tokenizer, Tiny::prompt(),
                               WordVerbalizer(tokenizer, {{"a", {"great"}}, {"b", {"sea"}}}));
    Rng rng(1);
    const auto wanted = one.scores(std::span(examples).subspan(static_cast<std::size_t>(i), 1), {}, rng).to_vector();
    CHECK(all.at(i, *tokenizer.find("great")) == Approx(wanted[0]).epsilon(1e-5));
    CHECK(all.at(i, *tokenizer.find("sea")) == Approx(wanted[1]).epsilon(1e-5));
  }
  CHECK(vocabulary_scores(model, tokenizer, Tiny::prompt(), {}).examples() == 0);
  REQUIRE_ERROR(vocabulary_scores(model, tokenizer, Template("{mask} {text_a} {mask}"), examples), "cloze.method.2");
}

TEST_CASE("the words found are those that trying every pair finds, and a verbalizer takes them") {
  const Tiny tiny;
  const auto model = tiny.model();
  const auto tokenizer = tiny.tokenizer();
  const auto examples = test::tiny_examples(12);
  const auto found = find_label_words(model, tokenizer, Tiny::prompt(), examples, binary, {.count = 10});
  REQUIRE(found.size() == 10);
  const auto best_of_all = [&] {
    double best = 0;
    for (const VocabularyWord& no : vocabulary_words(tokenizer))
      for (const VocabularyWord& yes : vocabulary_words(tokenizer)) {
        if (no.id == yes.id) continue;
        const PromptClassifier pair(model, tokenizer, Tiny::prompt(),
                                    WordVerbalizer(tokenizer, {{"0", {no.text}}, {"1", {yes.text}}}));
        best = std::max(best, score(Metric::accuracy, predict(pair, examples), examples));
      }
    return best;
  };
  CHECK(found[0].score == Approx(best_of_all()));
  for (const FoundWords& words : found) {
    const PromptClassifier pair(model, tokenizer, Tiny::prompt(), WordVerbalizer(tokenizer, words.labels));
    CHECK(score(Metric::accuracy, predict(pair, examples), examples) == Approx(words.score));
  }
}

TEST_CASE("a regression's words are the pairs with the highest correlation, equal words at -1 only where asked for") {
  const Tiny tiny;
  auto examples = test::tiny_examples(8);
  for (Example& example : examples) {
    example.score = value(*example.label) == 1 ? 4.0f : 0.5f;
    example.label.reset();
  }
  const auto found = find_label_words(tiny.model(), tiny.tokenizer(), Tiny::prompt(), examples, binary, {.count = 5});
  REQUIRE(found.size() == 5);
  CHECK(found[0].score >= found[4].score);
  CHECK(found[0].score > 0.5);

  MaskScores scores{{0, 1, 5, /**/ 0, 2, 5, /**/ 0, 3, 5}, 3};
  const std::vector<float> targets{1, 2, 4};
  const std::vector<std::vector<TokenId>> candidates(2, {TokenId{0}, TokenId{1}});
  const auto pairs = best_pole_pairs(scores, targets, candidates, 10, false);
  REQUIRE(pairs.size() == 4);
  CHECK((pairs[0].low == TokenId{0} && pairs[0].high == TokenId{1}));
  std::vector<double> shares, wanted(targets.begin(), targets.end());
  for (const double score : {1.0, 2.0, 3.0}) shares.push_back(std::exp(score) / (1 + std::exp(score)));
  CHECK(pairs[0].pearson == Approx(pearson(shares, wanted)));
  CHECK(pairs[1].pearson == Approx(-pairs[0].pearson));
  CHECK(pairs[2].pearson == -1);
  CHECK(best_pole_pairs(scores, targets, candidates).size() == 2);
  // Words without a correlation come last.
  const std::vector<std::vector<TokenId>> flat{{TokenId{0}}, {TokenId{2}, TokenId{1}}};
  CHECK(best_pole_pairs(scores, targets, flat).back().high == TokenId{2});
  CHECK(median_classes(std::vector<float>{1, 2, 3, 9}) == std::vector{LabelId{0}, LabelId{0}, LabelId{1}, LabelId{1}});
  CHECK(median_classes(std::vector<float>{1, 2, 2}) == std::vector(3, LabelId{0}));  // none is above the median
}

TEST_CASE("the words of a vocabulary are whole words that read back as themselves") {
  const Tiny tiny;
  const auto words = vocabulary_words(tiny.tokenizer());
  CHECK(words.size() == 24);  // 29 entries without the five special ones
  CHECK(words[0] == VocabularyWord{TokenId{5}, "it"});
  CHECK(vocabulary_words(tiny.tokenizer(), {.least_letters = 2}).size() == 22);  // "." and "a" are left out
  CHECK(vocabulary_words(tiny.tokenizer(), {.lmbff_compat = true}).empty());     // the original's failure with BERT
  REQUIRE_ERROR(find_label_words(tiny.model(), tiny.tokenizer(), Tiny::prompt(), test::tiny_examples(4), binary,
                                 lmbff_label_words()),
                "cloze.label_words.2");
  const std::vector<std::string> texts{"the sea and the hill", "the sea"};
  const auto frequent = most_frequent(words, tiny.tokenizer(), texts, 2);
  REQUIRE(frequent.size() == 2);
  CHECK(frequent[0].text == "the");
  CHECK(frequent[1].text == "sea");
}

TEST_CASE("likely words are those with the highest mean, the nearest those of the highest cosine") {
  MaskScores scores{{1, 3, 2, 0, /**/ 1, 1, 2, 9, /**/ 5, 0, 0, 0}, 4};
  const std::vector<VocabularyWord> words{{TokenId{0}, "a"}, {TokenId{1}, "b"}, {TokenId{2}, "c"}};
  const std::vector<LabelId> labels{LabelId{0}, LabelId{0}, LabelId{1}};
  const auto likely = likely_words(scores, labels, 2, words, 2);
  CHECK(likely[0] == std::vector{TokenId{1}, TokenId{2}});  // both have mean 2; entry 3 is no word
  CHECK(likely[1] == std::vector{TokenId{0}, TokenId{1}});
  REQUIRE_ERROR(likely_words(scores, labels, 3, words, 2), "cloze.label_words.1");
  REQUIRE_ERROR(likely_words(scores, labels, 2, {}, 2), "cloze.label_words.2");
  REQUIRE_ERROR(likely_words(scores, labels, 2, words, 0), "cloze.label_words.2");
  const auto rows = Tensor<float>::from({1, 0, 2, 0.1f, 0, 1, 0, 0, -1, 0}, {5, 2});
  const std::vector<TokenId> from{TokenId{4}, TokenId{3}, TokenId{2}, TokenId{1}, TokenId{0}};
  CHECK(nearest_words(rows, TokenId{0}, from, 9) ==
        std::vector{TokenId{0}, TokenId{1}, TokenId{2}, TokenId{4}, TokenId{3}});
  REQUIRE_ERROR(nearest_words(rows, TokenId{5}, from, 1), "cloze.label_words.2");

  const Tiny tiny;
  const LabelWordOptions near{.seeds = {"cold", "warm"}, .neighbours = 1, .count = 5};
  const auto found =
      find_label_words(tiny.model(), tiny.tokenizer(), Tiny::prompt(), test::tiny_examples(6), binary, near);
  REQUIRE(found.size() == 1);
  CHECK(found[0].labels[0].words[0] == "cold");  // a word is its own nearest neighbour
  CHECK(found[0].labels[1].words[0] == "warm");
}

TEST_CASE("ranking puts the best score first and keeps equal ones in order") {
  const std::vector<FoundWords> found{
      {{{"0", {"a"}}}, 0.9}, {{{"0", {"b"}}}, 0.8}, {{{"0", {"c"}}}, 0.7}, {{{"0", {"d"}}}, 0}};
  std::string seen;
  const auto ranked =
      rank_label_words(found,
                       [&](const std::vector<LabelWords>& labels) {
                         seen += labels[0].words[0];
                         return labels[0].words[0] == "a" ? std::nan("") : labels[0].words[0] == "b" ? 0.5 : 0.75;
                       },
                       {.write = [](std::string_view) {}});
  CHECK(seen == "abcd");
  CHECK(ranked[0].labels[0].words[0] == "c");
  CHECK(ranked[1].labels[0].words[0] == "d");
  CHECK(ranked[1].score == 0.75);
  CHECK(ranked[3].labels[0].words[0] == "a");
}

TEST_CASE("bad input to find_label_words is named") {
  const Tiny tiny;
  const auto run = [&](const std::vector<Example>& examples, const LabelWordOptions& options = {},
                       const std::vector<std::string>& labels = binary) {
    return find_label_words(tiny.model(), tiny.tokenizer(), Tiny::prompt(), examples, labels, options);
  };
  auto examples = test::tiny_examples(4);
  REQUIRE_ERROR(run({}), "cloze.label_words.1");
  REQUIRE_ERROR(run(examples, {}, {"0", "1", "2"}), "cloze.label_words.1");  // a class without examples
  REQUIRE_ERROR(run(examples, {.seeds = {"cold"}}), "cloze.label_words.2");
  REQUIRE_ERROR(run(examples, {.seeds = {"cold", "very warm"}}), "cloze.label_words.2");
  REQUIRE_ERROR(run(examples, {.seeds = {"cold", "cold"}, .neighbours = 1}), "cloze.label_words.4");
  REQUIRE_ERROR(run(examples, {.vocabulary = {.least_letters = 20}}), "cloze.label_words.2");
  examples[1].label.reset();
  REQUIRE_ERROR(run(examples), "cloze.method.1");
}
