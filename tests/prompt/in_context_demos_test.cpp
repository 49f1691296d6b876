#include <cloze/prompt/in_context_demos.hpp>

#include <map>
#include <set>

#include "support/catch.hpp"

using namespace cloze;

namespace {

std::vector<Example> uneven() {  // nine of label 0, one of label 1
  std::vector<Example> data;
  for (int i = 0; i < 10; ++i)
    data.push_back({.text_a = "text " + std::to_string(i),
                    .label = static_cast<LabelId>(i == 4 ? 1 : 0),
                    .score = static_cast<float>(i) / 2,
                    .source = "f:" + std::to_string(i + 1)});
  return data;
}

}  // namespace

TEST_CASE("in-context demonstrations are drawn from all examples alike, in random order, with their own labels") {
  const auto data = uneven();
  const InContextDemos sampler(data, {.count = 3});
  Rng rng(11);
  std::map<const Example*, int> counts, first;
  const int rounds = 3000;
  for (int round = 0; round < rounds; ++round) {
    const auto demos = sampler.sample({.text_a = "new"}, rng);
    REQUIRE(demos.size() == 3);
    std::set<const Example*> different;
    for (const Demonstration& demo : demos) {
      ++counts[demo.example];
      different.insert(demo.example);
      CHECK(demo.label == *demo.example->label);
    }
    CHECK(different.size() == 3);
    ++first[demos.front().example];
  }
  REQUIRE(counts.size() == 10);
  for (const auto& [example, count] : counts) CHECK(std::abs(count - rounds * 3 / 10) < 150);
  for (const auto& [example, count] : first) CHECK(std::abs(count - rounds / 10) < 100);
}

TEST_CASE("the query is never among them, and nothing is shown twice however many are asked for") {
  const auto data = uneven();
  Rng rng(2);
  const InContextDemos all_others(data, {.count = 9});
  for (const Example& query : data) {
    std::set<const Example*> shown;
    for (const Demonstration& demo : all_others.sample(query, rng)) shown.insert(demo.example);
    CHECK(shown.size() == 9);
    CHECK_FALSE(shown.contains(&query));
  }
  CHECK(InContextDemos(data, {.count = 10}).sample({.text_a = "new"}, rng).size() == 10);
  REQUIRE_ERROR(InContextDemos(data, {.count = 10}).sample(data[3], rng), "cloze.demos.3");
}

TEST_CASE("scores are shown as the nearer pole in context too") {
  const auto data = uneven();
  Rng rng(3);
  for (const Demonstration& demo :
       InContextDemos(data, {.count = 10, .score_threshold = 2.5f}).sample({.text_a = "q"}, rng))
    CHECK(demo.label == (*demo.example->score <= 2.5f ? LabelId{0} : LabelId{1}));
}

TEST_CASE("more demonstrations than examples, none, or examples without labels are errors") {
  auto data = uneven();
  REQUIRE_ERROR(InContextDemos(data, {.count = 11}), "cloze.demos.2");
  REQUIRE_ERROR(InContextDemos(data, {.count = 0}), "cloze.demos.2");
  REQUIRE_ERROR(InContextDemos(std::span<const Example>(), {.count = 1}), "cloze.demos.2");
  data[5].label = std::nullopt;
  REQUIRE_ERROR(InContextDemos(data, {.count = 2}), "cloze.demos.1");
  data[5].score = std::nullopt;
  REQUIRE_ERROR(InContextDemos(data, {.count = 2, .score_threshold = 1.0f}), "cloze.demos.1");
}
