#include <cloze/core/numpy_random.hpp>

#include <numeric>
#include <string>

#include <cloze/core/json.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"

using cloze::Index;
using cloze::NumpyRandom;

TEST_CASE("every golden draw of numpy's RandomState is reproduced") {
  CLOZE_SHARED_OR_SKIP(path, "data/golden/numpy_random.json");
  const nlohmann::json golden = cloze::read_json(path);
  REQUIRE(golden.size() >= 6);
  for (const auto& [seed_text, calls] : golden.items()) {
    INFO("seed " << seed_text);
    const auto seed = static_cast<std::uint32_t>(std::stoul(seed_text));
    REQUIRE(calls.size() == 6);
    CHECK(NumpyRandom(seed).permutation(10) == calls.at("permutation_10").get<std::vector<Index>>());
    std::vector<Index> list(100);
    std::iota(list.begin(), list.end(), 0);
    NumpyRandom(seed).shuffle(list);
    CHECK(list == calls.at("shuffle_list_100").get<std::vector<Index>>());
    auto big = NumpyRandom(seed).permutation(67349);
    big.resize(40);
    CHECK(big == calls.at("permutation_67349_first_40").get<std::vector<Index>>());
    NumpyRandom ints(seed), reals(seed);
    for (const auto& wanted : calls.at("randint_0_1000_x20")) CHECK(ints.randint(0, 1000) == wanted.get<Index>());
    for (const auto& wanted : calls.at("random_sample_5")) CHECK(reals.random_sample() == wanted.get<double>());
    CHECK(NumpyRandom(seed).choice(50, 10) == calls.at("choice_50_10_noreplace").get<std::vector<Index>>());
  }
}

TEST_CASE("the twister's published 10000th output for seed 5489 is reproduced") {
  NumpyRandom random(5489);  // the value the C++ standard fixes for std::mt19937
  for (int i = 1; i < 10000; ++i) random.next_u32();
  CHECK(random.next_u32() == 4123659995u);
}

TEST_CASE("an interval of one value draws nothing") {
  NumpyRandom drawn(1), fresh(1);
  CHECK(drawn.interval(0) == 0);
  CHECK(drawn.randint(5, 6) == 5);
  CHECK(drawn.next_u32() == fresh.next_u32());
}

TEST_CASE("a range beyond 32 bits uses two words for each draw") {
  NumpyRandom wide(1), words(1);
  CHECK(wide.randint(INT64_MIN, INT64_MAX) != 0);
  std::uint64_t draw = 0;
  do {
    draw = words.next_u64();
  } while (draw > 0xFFFFFFFFFFFFFFFEu);
  CHECK(wide.next_u32() == words.next_u32());
}

TEST_CASE("empty ranges and impossible choices are errors") {
  NumpyRandom random(0);
  REQUIRE_ERROR(random.randint(3, 3), "cloze.rng.2");
  REQUIRE_ERROR(random.randint(4, 3), "cloze.rng.2");
  REQUIRE_ERROR(random.permutation(-1), "cloze.rng.2");
  REQUIRE_ERROR(random.choice(3, 4), "cloze.rng.2");
  REQUIRE_ERROR(random.choice(3, -1), "cloze.rng.2");
  CHECK(random.permutation(0).empty());
  CHECK(random.choice(0, 0).empty());
}
