#include <cloze/prompt/petal.hpp>

#include <cmath>

#include <cloze/core/json.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"

using namespace cloze;

namespace {

MaskScores scores_of(const std::vector<std::vector<double>>& rows) {
  MaskScores scores{{}, static_cast<Index>(rows.front().size())};
  for (const auto& row : rows) scores.values.insert(scores.values.end(), row.begin(), row.end());
  return scores;
}

const std::vector<VocabularyWord> three{{TokenId{0}, "a"}, {TokenId{1}, "b"}, {TokenId{2}, "c"}};

}  // namespace

TEST_CASE("the likelihood ratio of two examples, by hand") {
  // p of the three words: (1/2, 1/4, 1/4) for class 0, (1/8, 5/8, 1/4) for class 1.
  const auto scores = scores_of({{std::log(2), 0, 0}, {0, std::log(5), std::log(2)}});
  const std::vector<LabelId> labels{LabelId{0}, LabelId{1}};
  const auto found = petal_words(std::span(&scores, 1), labels, 2, three, {.words_per_label = 3, .distinct = false});
  REQUIRE(found[0].size() == 3);
  CHECK(found[0][0].id == TokenId{0});
  CHECK(found[0][0].score == Approx(std::log(1.0) + std::log(7.0)));          // p/(1-p) = 1; (1-p)/p = 7
  CHECK(found[0][1].score == Approx(0).margin(1e-12));                        // word c: equal for both
  CHECK(found[0][2].score == Approx(std::log(1.0 / 3) + std::log(3.0 / 5)));  // word b
  CHECK(found[1][0].id == TokenId{1});
  const auto apart = petal_words(std::span(&scores, 1), labels, 2, three, {.words_per_label = 3});
  CHECK(apart[0].size() == 2);  // c is equal for both and goes to the first class
  CHECK(apart[1].size() == 1);
}

TEST_CASE("words, candidates and scores are those of PETAL's own code") {
  CLOZE_SHARED_OR_SKIP(path, "data/golden/pet.json");
  const auto golden = read_json(path).at("petal");
  std::vector<MaskScores> templates;
  for (const auto& rows : golden.at("logits"))
    templates.push_back(scores_of(rows.get<std::vector<std::vector<double>>>()));
  std::vector<LabelId> labels;
  for (const auto& label : golden.at("label_of_example")) labels.push_back(static_cast<LabelId>(label.get<int>()));
  std::vector<VocabularyWord> words;
  for (int id = 2; id < 26; ++id) words.push_back({static_cast<TokenId>(id), "word" + std::to_string(id)});
  int compared = 0;
  for (const auto& row : golden.at("cases")) {
    std::vector<MaskScores> chosen;
    for (const auto& pattern : row.at("patterns")) chosen.push_back(templates[pattern.get<std::size_t>()]);
    const auto found = petal_words(
        chosen, labels, 3, words,
        {.words_per_label = row.at("words_per_label").get<Index>(),
         .candidates = row.at("num_candidates").get<Index>(),
         .normalize = row.at("normalize").get<bool>(),
         .score = row.at("score") == "llr" ? PetalOptions::Score::likelihood_ratio : PetalOptions::Score::cross_entropy,
         .distinct = false});
    for (std::size_t c = 0; c < 3; ++c) {
      const std::string label(1, static_cast<char>('a' + c));
      const auto& wanted = row.at("words").at(label);
      REQUIRE(found[c].size() == wanted.size());
      for (std::size_t w = 0; w < wanted.size(); ++w) {
        const auto word = wanted[w].get<std::string>();
        CHECK("word" + std::to_string(value(found[c][w].id)) == word);
        CHECK(found[c][w].score == Approx(row.at("scores").at(label).at(word).get<double>()).epsilon(1e-5));
        ++compared;
      }
    }
  }
  CHECK(compared > 100);
}

TEST_CASE("bad input to PETAL is named") {
  const auto scores = scores_of({{1, 2, 3}, {2, 1, 0}});
  const std::vector<LabelId> labels{LabelId{0}, LabelId{1}}, one{LabelId{0}, LabelId{0}};
  const auto run = [&](std::span<const LabelId> with, std::span<const VocabularyWord> words,
                       PetalOptions options = {}) {
    return petal_words(std::span(&scores, 1), with, 2, words, options);
  };
  REQUIRE_ERROR(petal_words({}, labels, 2, three), "cloze.label_words.1");
  REQUIRE_ERROR(run(one, three), "cloze.label_words.1");
  REQUIRE_ERROR(run(labels, {}), "cloze.label_words.2");
  REQUIRE_ERROR(run(labels, three, {.words_per_label = 0}), "cloze.label_words.2");
  const std::vector<VocabularyWord> outside{{TokenId{3}, "d"}}, single{{TokenId{0}, "a"}};
  REQUIRE_ERROR(run(labels, outside), "cloze.label_words.2");
  REQUIRE_ERROR(run(labels, single), "cloze.label_words.2");  // one word cannot serve two classes
  // A word that is certain, or impossible, has a finite score.
  const auto sure = scores_of({{1000, 0, 0}, {0, 1000, 0}});
  for (const auto& words : petal_words(std::span(&sure, 1), labels, 2, three))
    for (const ScoredWord& word : words) CHECK(std::isfinite(word.score));
}
