#include <cloze/prompt/demos.hpp>

#include <map>
#include <set>

#include "support/catch.hpp"

using namespace cloze;

namespace {

std::vector<Example> labelled(int labels, int each) {
  std::vector<Example> data;
  for (int i = 0; i < each; ++i)
    for (int label = 0; label < labels; ++label)
      data.push_back({.text_a = "text " + std::to_string(i),
                      .label = static_cast<LabelId>(label),
                      .source = "f:" + std::to_string(data.size() + 1)});
  return data;
}

// A sampler of a user's own.
struct AlwaysFirst {
  const std::vector<Example>& data;
  std::vector<Demonstration> sample(const Example&, Rng&) const { return {{&data.front(), *data.front().label}}; }
};
static_assert(DemoSampler<AlwaysFirst>);
static_assert(!DemoSampler<int>);

}  // namespace

TEST_CASE("no demonstrations are none, and draw nothing") {
  Rng rng(1);
  CHECK(NoDemos{}.sample({.text_a = "x"}, rng).empty());
  CHECK(rng.state().position == 0);
}

TEST_CASE("random demonstrations show each label in order, as often as asked, none twice, never the query") {
  const auto data = labelled(3, 4);
  Rng rng(7);
  for (const Index per_label : {1, 2, 3}) {
    const RandomDemos sampler(data, {.per_label = per_label});
    for (const Example& query : data)
      for (int round = 0; round < 20; ++round) {
        const auto demos = sampler.sample(query, rng);
        REQUIRE(demos.size() == static_cast<std::size_t>(3 * per_label));
        std::set<const Example*> different;
        for (std::size_t i = 0; i < demos.size(); ++i) {
          CHECK(value(demos[i].label) == static_cast<Index>(i) / per_label);
          CHECK(demos[i].example->label == demos[i].label);
          CHECK(demos[i].example != &query);
          different.insert(demos[i].example);
        }
        CHECK(different.size() == demos.size());
      }
  }
}

TEST_CASE("every candidate is as likely as the others, and equal seeds draw alike") {
  const auto data = labelled(2, 5);
  const RandomDemos sampler(data, {.per_label = 2});
  Rng rng(3);
  std::map<const Example*, int> counts;
  const int rounds = 4000;
  for (int i = 0; i < rounds; ++i)
    for (const auto& demo : sampler.sample({.text_a = "other"}, rng)) ++counts[demo.example];
  CHECK(counts.size() == 10);
  for (const auto& [example, count] : counts) CHECK(std::abs(count - rounds * 2 / 5) < 150);
  Rng a(9, "demos"), b(9, "demos");
  for (int i = 0; i < 10; ++i) {
    const auto x = sampler.sample(data[0], a), y = sampler.sample(data[0], b);
    for (std::size_t j = 0; j < x.size(); ++j) CHECK(x[j].example == y[j].example);
  }
}

TEST_CASE("a copy of the query is recognised, another example with the same text is not the query") {
  auto data = labelled(1, 2);
  data[1].text_a = data[0].text_a;
  const RandomDemos sampler(data);
  Rng rng(1);
  const Example copy = data[0];
  for (int i = 0; i < 10; ++i) CHECK(sampler.sample(copy, rng).at(0).example == &data[1]);
}

TEST_CASE("a label without enough examples is an error, not a shorter list") {
  const auto data = labelled(2, 2);
  Rng rng(1);
  REQUIRE_ERROR(RandomDemos(data, {.per_label = 3}), "cloze.demos.2");
  REQUIRE_ERROR(RandomDemos(data, {.per_label = 0}), "cloze.demos.2");
  REQUIRE_ERROR(RandomDemos(std::span<const Example>()), "cloze.demos.2");
  REQUIRE_ERROR(RandomDemos(data, {.per_label = 2}).sample(data[0], rng), "cloze.demos.3");
  CHECK(RandomDemos(data, {.per_label = 2}).sample({.text_a = "new"}, rng).size() == 4);
  auto gap = data;
  for (Example& example : gap)
    if (*example.label == LabelId{0}) example.label = LabelId{2};
  REQUIRE_ERROR(RandomDemos(gap), "cloze.demos.2");
}

TEST_CASE("an example without a usable label is an error that names it") {
  auto data = labelled(2, 2);
  data[2].label = std::nullopt;
  REQUIRE_ERROR(RandomDemos(data), "cloze.demos.1");
  data[2].label = LabelId{1 << 30};
  REQUIRE_ERROR(RandomDemos(data), "cloze.demos.1");
  data[2].label = LabelId{-1};
  REQUIRE_ERROR(RandomDemos(data), "cloze.demos.1");
}

TEST_CASE("scores are shown as the nearer pole") {
  std::vector<Example> data;
  for (const float score : {0.f, 2.5f, 2.6f, 5.f})
    data.push_back({.text_a = "t" + std::to_string(score), .score = score});
  const RandomDemos sampler(data, {.score_threshold = 2.5f});
  Rng rng(1);
  for (int i = 0; i < 20; ++i) {
    const auto demos = sampler.sample(data[0], rng);
    REQUIRE(demos.size() == 2);
    CHECK(demos[0].example == &data[1]);
    CHECK(demos[0].label == LabelId{0});
    CHECK(*demos[1].example->score > 2.5f);
    CHECK(demos[1].label == LabelId{1});
  }
  REQUIRE_ERROR(RandomDemos(std::span(data).first(2), {.score_threshold = 2.5f}), "cloze.demos.2");
  data[1].score = std::nullopt;
  REQUIRE_ERROR(RandomDemos(data, {.score_threshold = 2.5f}), "cloze.demos.1");
}
