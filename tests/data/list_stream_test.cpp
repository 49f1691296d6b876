#include <cloze/data/list_stream.hpp>

#include <cloze/data/any_stream.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

template <class S>
std::vector<int> take(S& stream, int count) {
  std::vector<int> items;
  for (int i = 0; i < count; ++i)
    if (const auto item = stream.next()) items.push_back(*item);
  return items;
}

}  // namespace

TEST_CASE("a list is streamed as often as wanted, and goes on from its state") {
  ListStream once(std::vector{1, 2, 3});
  CHECK(take(once, 5) == std::vector{1, 2, 3});
  ListStream twice(std::vector{1, 2, 3}, 2);
  CHECK(take(twice, 9) == std::vector{1, 2, 3, 1, 2, 3});
  ListStream forever(std::vector{1, 2, 3}, 0);
  CHECK(take(forever, 7) == std::vector{1, 2, 3, 1, 2, 3, 1});
  for (int used = 0; used < 8; ++used) {
    ListStream first(std::vector{1, 2, 3}, 2), second(std::vector{1, 2, 3}, 2);
    take(first, used);
    second.restore(first.state());
    CHECK(take(first, 9) == take(second, 9));
  }
  REQUIRE_ERROR(ListStream(std::vector<int>{}), "cloze.stream.3");
  REQUIRE_ERROR(ListStream(std::vector{1}, -1), "cloze.stream.3");
  ListStream longer(std::vector{1, 2, 3, 4});
  REQUIRE_ERROR(longer.restore(once.state()), "cloze.stream.2");
  REQUIRE_ERROR(longer.restore(nlohmann::json()), "cloze.json.2");
}

TEST_CASE("a stream of any class is one type, with the same items and states") {
  using Any = AnyStream<int>;
  static_assert(ItemStream<Any>);
  std::vector<Any> streams;
  streams.emplace_back(ListStream(std::vector{1, 2, 3}, 0));
  streams.emplace_back(ShuffledStream(ListStream(std::vector{4, 5, 6, 7}, 0), 4, Rng(1)));
  MixedStream<Any> mixed(std::move(streams), {1, 2}, Rng(2));
  take(mixed, 11);
  std::vector<Any> again;
  again.emplace_back(ListStream(std::vector{1, 2, 3}, 0));
  again.emplace_back(ShuffledStream(ListStream(std::vector{4, 5, 6, 7}, 0), 4, Rng(9)));
  MixedStream<Any> restored(std::move(again), {1, 2}, Rng(9));
  restored.restore(mixed.state());
  CHECK(take(mixed, 20) == take(restored, 20));
}
