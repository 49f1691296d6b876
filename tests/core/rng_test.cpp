#include <cloze/core/rng.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "support/catch.hpp"

using cloze::Rng;
using cloze::RngState;

TEST_CASE("Rng draws Philox blocks of its key, stream and position") {
  Rng rng(0x0123456789ABCDEFu);
  for (std::uint32_t block = 0; block < 5; ++block) {
    const auto wanted = cloze::philox4x32<10>({block, 0, 0, 0}, {0x89ABCDEFu, 0x01234567u});
    for (const std::uint32_t word : wanted) CHECK(rng.next_u32() == word);
  }
}

TEST_CASE("golden draws of Rng stay the same for ever") {
  // Words of the unnamed stream of seed 0 are the first published answer of Philox itself.
  Rng rng(0);
  CHECK(rng.next_u32() == 0x6627E8D5u);
  CHECK(rng.next_u64() == 0xE169C58DBC57AC4Cu);
  CHECK(Rng(0).uniform() == static_cast<double>(0x6627E8D5E169C58Du >> 11) / 9007199254740992.0);
}

TEST_CASE("a named stream differs from its parent and from every other name") {
  const Rng rng(13);
  std::set<std::uint64_t> firsts;
  for (const char* name : {"a", "b", "dropout", "demos", "data", "init", "", "A"})
    firsts.insert(rng.stream(name).next_u64());
  Rng root(13);
  firsts.insert(root.next_u64());
  firsts.insert(rng.stream("a").stream("b").next_u64());
  firsts.insert(rng.stream("b").stream("a").next_u64());
  firsts.insert(Rng(14).stream("a").next_u64());
  CHECK(firsts.size() == 12);
  CHECK(Rng(13, "demos").next_u64() == Rng(13).stream("demos").next_u64());
}

TEST_CASE("taking a stream neither moves the parent nor depends on its position") {
  Rng moved(7);
  for (int i = 0; i < 5; ++i) moved.next_u32();
  const RngState before = moved.state();
  CHECK(moved.stream("x").next_u64() == Rng(7).stream("x").next_u64());
  CHECK(moved.state() == before);
}

TEST_CASE("a saved state continues with the same draws, wherever it was saved") {
  for (int drawn : {0, 1, 2, 3, 4, 5, 7, 8, 1001}) {
    Rng rng(99, "save");
    for (int i = 0; i < drawn; ++i) rng.next_u32();
    Rng restored(rng.state());
    Rng copied = rng;
    for (int i = 0; i < 9; ++i) {
      const std::uint32_t wanted = rng.next_u32();
      CHECK(restored.next_u32() == wanted);
      CHECK(copied.next_u32() == wanted);
    }
  }
}

TEST_CASE("below stays in range and every value is as likely as the others") {
  Rng rng(5);
  for (const std::uint64_t n : {1, 2, 3, 7, 10, 16}) {
    std::vector<double> counts(n, 0);
    const int draws = 20000;
    for (int i = 0; i < draws; ++i) counts.at(rng.below(n)) += 1;
    double chi2 = 0;
    const double wanted = static_cast<double>(draws) / static_cast<double>(n);
    for (const double count : counts) chi2 += (count - wanted) * (count - wanted) / wanted;
    CHECK(chi2 < static_cast<double>(n) + 5 * std::sqrt(2.0 * static_cast<double>(n)));
  }
  for (const std::uint64_t n :
       {std::uint64_t{0xFFFFFFFFu}, std::uint64_t{1} << 32, (std::uint64_t{1} << 63) + 1, ~std::uint64_t{0}})
    for (int i = 0; i < 100; ++i) CHECK(rng.below(n) < n);
  REQUIRE_ERROR(rng.below(0), "cloze.rng.1");
}

TEST_CASE("uniform lies in [0, 1) with the right mean, normal has mean 0 and variance 1") {
  Rng rng(1);
  const int n = 100000;
  double sum = 0, low = 1, high = 0;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform();
    sum += u, low = std::min(low, u), high = std::max(high, u);
  }
  CHECK(low >= 0);
  CHECK(high < 1);
  CHECK(std::abs(sum / n - 0.5) < 0.005);
  double first = 0, second = 0, within = 0;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    first += x, second += x * x, within += std::abs(x) < 1 ? 1 : 0;
  }
  CHECK(std::abs(first / n) < 0.02);
  CHECK(std::abs(second / n - 1) < 0.02);
  CHECK(std::abs(within / n - 0.682689) < 0.01);
}

TEST_CASE("normal always draws four words") {
  Rng rng(3);
  for (std::uint64_t i = 1; i < 50; ++i) {
    rng.normal();
    CHECK(rng.state().position == 4 * i);
  }
}

TEST_CASE("shuffle and permutation keep every element, and reach every order") {
  Rng rng(2);
  for (const cloze::Index n : {0, 1, 3, 16, 17, 1000}) {
    auto order = rng.permutation(n);
    std::sort(order.begin(), order.end());
    std::vector<cloze::Index> wanted(static_cast<std::size_t>(n));
    std::iota(wanted.begin(), wanted.end(), 0);
    CHECK(order == wanted);
  }
  std::set<std::vector<cloze::Index>> orders;
  for (int i = 0; i < 400; ++i) orders.insert(rng.permutation(4));
  CHECK(orders.size() == 24);
  REQUIRE_ERROR(rng.permutation(-1), "cloze.rng.1");
}
