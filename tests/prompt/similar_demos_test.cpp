#include <cloze/prompt/similar_demos.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "support/catch.hpp"

using namespace cloze;

namespace {

// Embeds by looking up; counts the texts it was asked for.
struct TableEncoder {
  std::map<std::string, std::vector<float>> table;
  std::shared_ptr<std::map<std::string, int>> asked = std::make_shared<std::map<std::string, int>>();

  Tensor<float> embed(std::span<const std::string> texts) const {
    std::vector<float> values;
    for (const std::string& text : texts) {
      ++(*asked)[text];
      const auto& row = table.at(text);
      values.insert(values.end(), row.begin(), row.end());
    }
    const auto rows = static_cast<Index>(texts.size());
    return Tensor<float>::from(values, {rows, static_cast<Index>(values.size()) / rows});
  }
};
static_assert(EmbedsTexts<TableEncoder>);
static_assert(!EmbedsTexts<int>);
static_assert(DemoSampler<SimilarDemos<TableEncoder>>);

struct Setting {
  std::vector<Example> train, queries;
  TableEncoder encoder;

  Setting(int labels, int each, std::uint64_t seed, Index width = 5) {
    Rng rng(seed);
    const auto add = [&](std::vector<Example>& to, const std::string& text, int label) {
      auto& row = encoder.table[text];
      for (Index i = 0; i < width; ++i) row.push_back(static_cast<float>(rng.normal()));
      to.push_back({.text_a = text, .label = static_cast<LabelId>(label), .source = "f:" + text});
    };
    for (int i = 0; i < each; ++i)
      for (int label = 0; label < labels; ++label) add(train, "t" + std::to_string(train.size()), (label + i) % labels);
    for (int i = 0; i < 4; ++i) add(queries, "q" + std::to_string(i), i % labels);
  }
};

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  const double dot = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  return dot / std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0)) /
         std::sqrt(std::inner_product(b.begin(), b.end(), b.begin(), 0.0));
}

// The original's filter, in its own words: candidates by falling similarity, each kept while its label's count is below
// int(candidates // labels * rate).
std::map<int, std::vector<const Example*>> original(const Setting& s, const Example& query, bool training, int labels,
                                                    double rate) {
  std::vector<std::pair<double, const Example*>> order;
  for (const Example& example : s.train)
    if (!training || &example != &query)
      order.emplace_back(cosine(s.encoder.table.at(example.text_a), s.encoder.table.at(query.text_a)), &example);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  const int limit = static_cast<int>(static_cast<double>(static_cast<int>(order.size()) / labels) * rate);
  std::map<int, std::vector<const Example*>> kept;
  for (const auto& [similarity, example] : order) {
    auto& group = kept[static_cast<int>(value(*example->label))];
    if (static_cast<int>(group.size()) < limit) group.push_back(example);
  }
  return kept;
}

}  // namespace

TEST_CASE("the candidates are those of LM-BFF's filter: for training and new queries, 2 to 5 labels, any fraction") {
  for (const int labels : {2, 3, 5})
    for (const double rate : {0.25, 0.5, 0.7, 1.0}) {
      const Setting s(labels, 16, 7 + static_cast<std::uint64_t>(labels));
      const SimilarDemos demos(s.encoder, s.train, {.top_fraction = rate});
      const auto compare = [&](const Example& query, bool training) {
        const auto wanted = original(s, query, training, labels, rate);
        const auto found = demos.candidates(query);
        REQUIRE(found.size() == static_cast<std::size_t>(labels));
        for (int label = 0; label < labels; ++label) CHECK(found[static_cast<std::size_t>(label)] == wanted.at(label));
      };
      for (const Example& query : s.train) compare(query, true);
      for (const Example& query : s.queries) compare(query, false);
    }
}

TEST_CASE("of 16 a class, 8 are kept for a new query and 7 for one of them, LM-BFF's rounding") {
  const Setting s(2, 16, 1);
  const SimilarDemos demos(s.encoder, s.train);
  for (const auto& group : demos.candidates(s.queries[0])) CHECK(group.size() == 8);
  for (const auto& group : demos.candidates(s.train[5])) CHECK(group.size() == 7);
  Example copy = s.train[5];  // a copy is recognised by texts and source
  for (const auto& group : demos.candidates(copy)) CHECK(group.size() == 7);
  copy.source = "elsewhere:1";
  for (const auto& group : demos.candidates(copy)) CHECK(group.size() == 8);
}

TEST_CASE("demonstrations are drawn alike from the candidates, labels in order, none twice") {
  const Setting s(3, 8, 5);
  const SimilarDemos demos(s.encoder, s.train, {.per_label = 2});
  const auto candidates = demos.candidates(s.queries[1]);
  Rng rng(4), same(4);
  std::map<const Example*, int> counts;
  const int rounds = 2000;
  for (int round = 0; round < rounds; ++round) {
    const auto shown = demos.sample(s.queries[1], rng);
    const auto again = demos.sample(s.queries[1], same);
    REQUIRE(shown.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(shown[i].example == again[i].example);
      CHECK(value(shown[i].label) == static_cast<Index>(i / 2));
      CHECK(std::ranges::count(candidates[i / 2], shown[i].example) == 1);
      ++counts[shown[i].example];
    }
    CHECK(shown[0].example != shown[1].example);
  }
  CHECK(counts.size() == 12);  // 4 of each label
  for (const auto& [example, count] : counts) CHECK(std::abs(count - rounds / 2) < 120);
}

TEST_CASE("every text is embedded once: the examples at the start, queries when they are prepared or met") {
  Setting s(2, 4, 3);
  s.train[5].text_a = s.train[2].text_a;  // two examples, one text
  SimilarDemos demos(s.encoder, s.train);
  CHECK(s.encoder.asked->size() == 7);
  demos.prepare(s.queries);
  demos.prepare(s.queries);
  demos.prepare(s.train);
  Rng rng(1);
  for (const Example& query : s.queries) demos.sample(query, rng);
  for (const Example& query : s.train) demos.sample(query, rng);
  const auto copy = demos;
  copy.sample(s.queries[0], rng);
  CHECK(s.encoder.asked->size() == 11);
  for (const auto& [text, count] : *s.encoder.asked) CHECK(count == 1);
  const SimilarDemos unprepared(s.encoder, s.train);
  CHECK(unprepared.candidates(s.queries[0]) == demos.candidates(s.queries[0]));
}

TEST_CASE("a pair is compared by both texts with a space between, a single text by itself") {
  CHECK(embedded_text({.text_a = "a", .text_b = "b"}) == "a b");
  CHECK(embedded_text({.text_a = "a"}) == "a");
  CHECK(embedded_text({.text_a = "", .text_b = ""}) == " ");
}

TEST_CASE("equally similar examples stand in the order of the data, and a text without a direction is like all") {
  Setting s(2, 4, 9);
  for (auto& [text, row] : s.encoder.table) row = {1, 0};
  s.encoder.table["q1"] = {0, 0};
  const SimilarDemos demos(s.encoder, s.train);
  for (const Example& query : {s.queries[0], s.queries[1]})
    for (const auto& group : demos.candidates(query)) {
      REQUIRE(group.size() == 2);
      CHECK(group[0] < group[1]);
      CHECK(group[1] < s.train.data() + 4);
    }
}

TEST_CASE("scores are grouped at the threshold, and half the candidates count for each pole") {
  Setting s(1, 8, 2);
  for (std::size_t i = 0; i < s.train.size(); ++i) s.train[i].score = static_cast<float>(i) * 0.7f;  // 0 … 4.9
  const SimilarDemos demos(s.encoder, s.train, {.score_threshold = 2.5f});
  const auto found = demos.candidates(s.queries[0]);
  REQUIRE(found.size() == 2);
  for (std::size_t pole = 0; pole < 2; ++pole) {
    CHECK(found[pole].size() == 2);  // int(8 // 2 * 0.5)
    for (const Example* example : found[pole]) CHECK((*example->score <= 2.5f) == (pole == 0));
  }
  REQUIRE_ERROR(SimilarDemos(s.encoder, s.train, {.score_threshold = 100.0f}), "cloze.demos.2");
}

TEST_CASE("bad demonstrations by similarity are errors: fractions, empty classes, too few, wrong encoders") {
  Setting s(2, 4, 3);
  Rng rng(1);
  for (const double fraction : {0.0, -1.0, 1.5, std::nan("")})
    REQUIRE_ERROR(SimilarDemos(s.encoder, s.train, {.top_fraction = fraction}), "cloze.demos.4");
  REQUIRE_ERROR(SimilarDemos(s.encoder, s.train, {.top_fraction = 0.1}), "cloze.demos.4");
  REQUIRE_ERROR(SimilarDemos(s.encoder, s.train, {.per_label = 3}), "cloze.demos.4");
  REQUIRE_ERROR(SimilarDemos(s.encoder, std::span<const Example>()), "cloze.demos.2");
  REQUIRE_ERROR(SimilarDemos(s.encoder, s.train, {.per_label = 0}), "cloze.demos.2");
  REQUIRE_ERROR(SimilarDemos(s.encoder, s.train, {.top_fraction = 0.3}).sample(s.train[0], rng), "cloze.demos.4");
  auto unlabelled = s.train;
  unlabelled[3].label.reset();
  REQUIRE_ERROR(SimilarDemos(s.encoder, unlabelled), "cloze.demos.1");
  auto empty_class = s.train;
  for (Example& example : empty_class)
    if (*example.label == LabelId{0}) example.label = LabelId{2};
  REQUIRE_ERROR(SimilarDemos(s.encoder, empty_class), "cloze.demos.2");
  auto lonely = s.train;  // one example of label 1 among eight: nothing is left when it is the query
  for (std::size_t i = 0; i < lonely.size(); ++i) lonely[i].label = static_cast<LabelId>(i == 0 ? 1 : 0);
  const SimilarDemos sampler(s.encoder, lonely);
  CHECK(sampler.sample(s.queries[0], rng).size() == 2);
  REQUIRE_ERROR(sampler.sample(lonely[0], rng), "cloze.demos.3");
}

TEST_CASE("an encoder of the wrong width, of too few rows, or without numbers is an error") {
  Setting s(2, 4, 3);
  SimilarDemos demos(s.encoder, s.train);
  Setting wide(2, 4, 3, 6);
  struct Broken {
    int kind;
    Tensor<float> embed(std::span<const std::string> texts) const {
      const auto rows = static_cast<Index>(texts.size());
      if (kind == 0) return {};
      if (kind == 1) return Tensor<float>::zeros({rows + 1, 3});
      if (kind == 2) return Tensor<float>::zeros({rows});
      if (kind == 3) return Tensor<float>::zeros({rows, 0});
      if (kind == 4) return Tensor<float>::zeros({rows, rows == 1 ? 3 : 4});
      return Tensor<float>::from(
          std::vector<float>(static_cast<std::size_t>(rows), std::numeric_limits<float>::infinity()), {rows, 1});
    }
  };
  for (const int kind : {0, 1, 2, 3}) REQUIRE_ERROR(SimilarDemos(Broken{kind}, s.train), "cloze.embedding.1");
  Rng rng(1);
  REQUIRE_ERROR(SimilarDemos(Broken{4}, s.train).sample(s.queries[0], rng), "cloze.embedding.1");
  REQUIRE_ERROR(SimilarDemos(Broken{5}, s.train), "cloze.embedding.2");
}
