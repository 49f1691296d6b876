#include <cloze/prompt/truncate.hpp>

#include <cloze/core/rng.hpp>

#include "support/catch.hpp"

using namespace cloze;
using Lengths = std::vector<Index>;

namespace {

// The rules, one token at a time.
Lengths one_by_one(Lengths lengths, Index room, Truncation policy) {
  const auto total = [&] { return std::accumulate(lengths.begin(), lengths.end(), Index{0}); };
  while (total() > room && total() > 0) {
    auto victim = lengths.end();
    for (auto it = lengths.begin(); it != lengths.end(); ++it) {
      if (*it == 0) continue;
      const bool better =
          victim == lengths.end() || policy == Truncation::tail || (policy == Truncation::longest && *it >= *victim);
      if (better) victim = it;
    }
    --*victim;
  }
  return lengths;
}

}  // namespace

TEST_CASE("the closed form cuts exactly what cutting one token at a time would") {
  Rng rng(11);
  for (int round = 0; round < 2000; ++round) {
    Lengths lengths(rng.below(7));
    for (Index& length : lengths) length = static_cast<Index>(rng.below(12));
    const Index room = static_cast<Index>(rng.below(40));
    for (const Truncation policy : {Truncation::longest, Truncation::tail, Truncation::head})
      CHECK(fit_texts(lengths, room, policy) == one_by_one(lengths, room, policy));
  }
}

TEST_CASE("texts that fit are left alone, and no room leaves nothing") {
  CHECK(fit_texts({}, 0, Truncation::longest).empty());
  CHECK(fit_texts(Lengths{3, 4}, 7, Truncation::longest) == Lengths{3, 4});
  CHECK(fit_texts(Lengths{3, 4}, 0, Truncation::tail) == Lengths{0, 0});
  CHECK(fit_texts(Lengths{3, 4}, -5, Truncation::longest) == Lengths{0, 0});
  CHECK(fit_texts(Lengths{1'000'000'000'000, 5}, 10, Truncation::longest) == Lengths{5, 5});
  CHECK(fit_texts(Lengths{10, 2, 9}, 12, Truncation::head) == Lengths{1, 2, 9});
}
