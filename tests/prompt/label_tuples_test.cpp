#include <cloze/prompt/label_tuples.hpp>

#include <algorithm>
#include <numeric>

#include "support/catch.hpp"

using namespace cloze;

namespace {

struct Problem {
  MaskScores scores;
  std::vector<LabelId> labels;
  std::vector<std::vector<TokenId>> candidates;
};

// Few distinct values make many ties; `lean` makes a class's own words likely, as a model's are.
Problem random_problem(Index classes, Index examples, Index vocab, Index k, std::uint64_t seed, Index values = 6,
                       bool overlap = true) {
  Rng rng(seed, "problem");
  Problem problem;
  problem.scores.vocab = vocab;
  for (Index i = 0; i < examples; ++i) {
    const auto label = i < classes ? i : static_cast<Index>(rng.below(static_cast<std::uint64_t>(classes)));
    problem.labels.push_back(static_cast<LabelId>(label));
    for (Index w = 0; w < vocab; ++w)
      problem.scores.values.push_back(static_cast<double>(rng.below(static_cast<std::uint64_t>(values))) +
                                      (w % classes == label && w % 3 == 0 ? 2.0 : 0.0) + (w % 7 == 0 ? 1.5 : 0.0));
  }
  for (Index c = 0; c < classes; ++c) {
    std::vector<TokenId> words;
    for (Index w = 0; w < vocab; ++w)
      if (overlap || w % classes == c) words.push_back(static_cast<TokenId>(w));
    rng.shuffle(words);
    words.resize(std::min<std::size_t>(words.size(), static_cast<std::size_t>(k)));
    problem.candidates.push_back(words);
  }
  return problem;
}

// Every tuple in the order of the product, argmax as numpy has it, a stable sort.
std::vector<LabelTuple> brute_force(const Problem& problem, Index count, bool distinct) {
  std::vector<LabelTuple> all;
  const std::size_t classes = problem.candidates.size();
  std::vector<std::size_t> at(classes, 0);
  for (bool more = true; more;) {
    LabelTuple tuple;
    for (std::size_t c = 0; c < classes; ++c) tuple.words.push_back(problem.candidates[c][at[c]]);
    auto sorted = tuple.words;
    std::ranges::sort(sorted);
    if (!distinct || std::ranges::adjacent_find(sorted) == sorted.end()) {
      for (std::size_t i = 0; i < problem.labels.size(); ++i) {
        std::size_t best = 0;
        for (std::size_t c = 1; c < classes; ++c)
          if (problem.scores.at(static_cast<Index>(i), tuple.words[c]) >
              problem.scores.at(static_cast<Index>(i), tuple.words[best]))
            best = c;
        tuple.correct += static_cast<Index>(best) == value(problem.labels[i]) ? 1 : 0;
      }
      all.push_back(tuple);
    }
    more = false;
    for (std::size_t c = classes; c-- > 0;) {
      if (++at[c] < problem.candidates[c].size()) {
        more = true;
        break;
      }
      at[c] = 0;
    }
  }
  std::ranges::stable_sort(all, std::ranges::greater{}, &LabelTuple::correct);
  if (static_cast<Index>(all.size()) > count) all.resize(static_cast<std::size_t>(count));
  return all;
}

void check(const Problem& problem, Index count, bool distinct) {
  const auto found =
      best_label_tuples(problem.scores, problem.labels, problem.candidates, {.count = count, .distinct = distinct});
  const auto wanted = brute_force(problem, count, distinct);
  REQUIRE(found.tuples.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CHECK(found.tuples[i].correct == wanted[i].correct);
    CHECK(found.tuples[i].words == wanted[i].words);
  }
}

}  // namespace

TEST_CASE("the tuples are those of enumeration, in its order, for two, three and more classes, with many ties") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    INFO("seed " << seed);
    const bool distinct = seed % 2 == 0;
    check(random_problem(2, 32, 40, 30, seed), 100, distinct);
    check(random_problem(3, 48, 30, 14, seed), 100, distinct);
    check(random_problem(3, 48, 30, 14, seed, 1000), 20, distinct);  // hardly any ties
    check(random_problem(4, 20, 12, 7, seed, 3), 50, distinct);
  }
  for (std::uint64_t seed = 0; seed < 4; ++seed) check(random_problem(5, 40, 20, 8, seed, 20), 100, true);
}

TEST_CASE("sizes at the edges: one class, one candidate, one example, 64 and 65 examples, more tuples than there are") {
  check(random_problem(1, 3, 5, 5, 1), 100, true);
  check(random_problem(2, 2, 2, 1, 2), 1, false);
  check(random_problem(2, 2, 2, 1, 2, 6, false), 7, true);
  check(random_problem(6, 6, 6, 3, 3), 3, true);
  for (const Index examples : {63, 64, 65, 128, 129, 200}) check(random_problem(3, examples, 12, 6, 4), 16, true);
  check(random_problem(2, 16, 6, 6, 5), 1000, true);
}

TEST_CASE("one word in two classes' lists stands for both only where that is asked for") {
  Problem problem{{{1, 0, 0, 1}, 2}, {LabelId{0}, LabelId{1}}, {{TokenId{0}}, {TokenId{0}, TokenId{1}}}};
  CHECK(best_label_tuples(problem.scores, problem.labels, problem.candidates).tuples.size() == 1);
  const auto both = best_label_tuples(problem.scores, problem.labels, problem.candidates, {.distinct = false}).tuples;
  REQUIRE(both.size() == 2);
  CHECK(both[0].words == std::vector{TokenId{0}, TokenId{1}});
  CHECK(both[0].correct == 2);
  CHECK(both[1].correct == 1);  // equal scores go to the first class
}

TEST_CASE("the result does not depend on the number of threads") {
  const auto problem = random_problem(4, 64, 60, 25, 7);
  const auto run = [&](int threads) {
    const int before = num_threads();
    set_num_threads(threads);
    auto found = best_label_tuples(problem.scores, problem.labels, problem.candidates).tuples;
    set_num_threads(before);
    return found;
  };
  const auto one = run(1);
  CHECK(one == run(2));
  CHECK(one == run(3));
}

TEST_CASE("bad input to the search is named, and a hopeless one ends") {
  auto problem = random_problem(2, 8, 10, 4, 1);
  const auto search = [](const Problem& p, const LabelTupleOptions& options = {}) {
    return best_label_tuples(p.scores, p.labels, p.candidates, options);
  };
  REQUIRE_ERROR(search(problem, {.count = 0}), "cloze.label_words.2");
  auto bad = problem;
  bad.candidates[1].clear();
  REQUIRE_ERROR(search(bad), "cloze.label_words.1");
  bad = problem;
  bad.candidates.clear();
  REQUIRE_ERROR(search(bad), "cloze.label_words.1");
  bad = problem;
  bad.candidates.push_back({TokenId{1}});  // a third class without examples
  REQUIRE_ERROR(search(bad), "cloze.label_words.1");
  bad = problem;
  bad.labels.pop_back();
  REQUIRE_ERROR(search(bad), "cloze.label_words.1");
  bad = problem;
  bad.labels[3] = LabelId{2};
  REQUIRE_ERROR(search(bad), "cloze.label_words.1");
  bad = problem;
  bad.candidates[0][0] = TokenId{10};
  REQUIRE_ERROR(search(bad), "cloze.label_words.2");
  REQUIRE_ERROR(search(random_problem(4, 40, 40, 30, 1, 100), {.max_nodes = 50}), "cloze.label_words.3");
  Problem huge{{std::vector<double>(2), 1}, {LabelId{0}, LabelId{1}}, {}};
  huge.candidates.assign(2, std::vector<TokenId>(30'000));
  REQUIRE_ERROR(search(huge), "cloze.label_words.3");
}
