#include <cloze/train/sampler.hpp>

#include <set>

#include "support/catch.hpp"

using namespace cloze;

TEST_CASE("each epoch holds every example once, in an order of its own") {
  for (const Index size : {1, 3, 16, 33}) {
    EpochSampler sampler(size, Rng(1, "data"));
    std::set<std::vector<Index>> orders;
    for (Index epoch = 0; epoch < 5; ++epoch) {
      CHECK(sampler.epoch() == epoch);
      std::vector<Index> order;
      for (Index i = 0; i < size; ++i) order.push_back(sampler.next(1).at(0));
      orders.insert(order);
      std::ranges::sort(order);
      for (Index i = 0; i < size; ++i) REQUIRE(order[static_cast<std::size_t>(i)] == i);
    }
    if (size >= 16) CHECK(orders.size() == 5);
  }
}

TEST_CASE("batches run on into the next epoch, or end with it where that is asked for") {
  EpochSampler whole(10, Rng(3)), same(10, Rng(3)), shorter(10, Rng(3), {.short_batches = true});
  std::vector<Index> all, single;
  for (int i = 0; i < 5; ++i) {
    const auto batch = whole.next(4);
    CHECK(batch.size() == 4);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  for (int i = 0; i < 20; ++i) single.push_back(same.next(1)[0]);
  CHECK(all == single);
  std::vector<std::size_t> sizes;
  std::vector<Index> joined;
  for (int i = 0; i < 6; ++i) {
    const auto batch = shorter.next(4);
    sizes.push_back(batch.size());
    joined.insert(joined.end(), batch.begin(), batch.end());
  }
  const bool as_loaders_do = sizes == std::vector<std::size_t>{4, 4, 2, 4, 4, 2};
  CHECK(as_loaders_do);
  CHECK(joined == all);
  CHECK(whole.next(25).size() == 25);
}

TEST_CASE("without shuffling the order is that of the data, and the seed decides it with") {
  EpochSampler plain(5, Rng(3), {.shuffle = false});
  const bool in_order = plain.next(7) == std::vector<Index>{0, 1, 2, 3, 4, 0, 1};
  CHECK(in_order);
  CHECK(EpochSampler(50, Rng(3)).next(50) == EpochSampler(50, Rng(3)).next(50));
  CHECK(EpochSampler(50, Rng(3)).next(50) != EpochSampler(50, Rng(4)).next(50));
}

TEST_CASE("token batches keep the order, the budget, and one example at least") {
  const std::vector<Index> lengths{3, 4, 5, 100, 1, 0, 9, 1};
  const auto batches = token_batches(lengths, 10);
  const bool wanted = batches == std::vector<std::vector<Index>>{{0, 1}, {2}, {3}, {4, 5, 6}, {7}};
  CHECK(wanted);
  const bool longest_first = token_batches_by_length(std::vector<Index>{2, 5, 2, 11, 5}, 9) ==
                             std::vector<std::vector<Index>>{{3}, {1}, {4, 0, 2}};
  CHECK(longest_first);
  CHECK(token_batches({}, 10).empty());
  const bool three = sequential_batches(7, 3) == std::vector<std::vector<Index>>{{0, 1, 2}, {3, 4, 5}, {6}};
  CHECK(three);
  CHECK(sequential_batches(0, 3).empty());
}

TEST_CASE("pick copies the chosen elements") {
  const std::vector<std::string> words{"a", "b", "c"};
  const std::vector<Index> chosen{2, 0, 2}, bad{3}, negative{-1};
  const bool picked = pick(words, chosen) == std::vector<std::string>{"c", "a", "c"};
  CHECK(picked);
  REQUIRE_ERROR(pick(words, bad), "cloze.sampler.4");
  REQUIRE_ERROR(pick(words, negative), "cloze.sampler.4");
}

TEST_CASE("empty sets and batches of nothing are refused") {
  REQUIRE_ERROR(EpochSampler(0, Rng(1)), "cloze.sampler.1");
  EpochSampler sampler(3, Rng(1));
  REQUIRE_ERROR(sampler.next(0), "cloze.sampler.2");
  REQUIRE_ERROR(sequential_batches(3, 0), "cloze.sampler.2");
  const std::vector<Index> lengths{1, -1};
  REQUIRE_ERROR(token_batches(lengths, 0), "cloze.sampler.2");
  REQUIRE_ERROR(token_batches(lengths, 5), "cloze.sampler.3");
}
