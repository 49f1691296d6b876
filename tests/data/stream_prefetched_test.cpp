#include <cloze/data/prefetched_stream.hpp>

#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>

#include <cloze/data/line_stream.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

std::string numbered(int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) text += std::to_string(i) + "\n";
  return text;
}

/// Counts up to a number, then ends or throws; counts what it gave.
class Counter {
 public:
  using Item = int;
  Counter(int size, bool throws, std::atomic<int>* given) : size_(size), throws_(throws), given_(given) {}
  std::optional<int> next() {
    if (at_ < size_) {
      if (given_) ++*given_;
      return at_++;
    }
    require(!throws_, "cloze.test.1", "the source fails at {}", at_);
    return std::nullopt;
  }
  nlohmann::json state() const { return at_; }
  void restore(const nlohmann::json& state) { at_ = state.get<int>(); }

 private:
  int at_ = 0, size_;
  bool throws_;
  std::atomic<int>* given_;
};

}  // namespace

TEST_CASE("prefetching changes neither items nor order, whatever the chunks and threads") {
  const auto twice = [](int i) { return std::to_string(2 * i); };
  for (const int size : {0, 1, 3, 16, 255, 256, 257, 2000})
    for (const PrefetchOptions& options : {PrefetchOptions{}, PrefetchOptions{.chunk = 1, .chunks = 1},
                                           PrefetchOptions{.chunk = 16, .chunks = 2, .threads = 2}}) {
      PrefetchedStream stream(Counter(size, false, nullptr), options, twice);
      for (int i = 0; i < size; ++i) REQUIRE(stream.next() == std::to_string(2 * i));
      REQUIRE(!stream.next());
      REQUIRE(!stream.next());
    }
}

TEST_CASE("what source or work throws comes in its place, and again") {
  for (const int size : {0, 3, 16, 100}) {
    PrefetchedStream stream(Counter(size, true, nullptr), {.chunk = 8, .chunks = 2});
    for (int i = 0; i < size; ++i) REQUIRE(stream.next() == i);
    REQUIRE_ERROR(stream.next(), "cloze.test.1");
    REQUIRE_ERROR(stream.next(), "cloze.test.1");
  }
  const auto work = [](int i) {
    require(i != 37 && i != 38, "cloze.test.2", "the work fails at {}", i);
    return i;
  };
  PrefetchedStream stream(Counter(1000, false, nullptr), {.chunk = 16, .threads = 2}, work);
  for (int i = 0; i < 37; ++i) REQUIRE(stream.next() == i);
  REQUIRE_ERROR(stream.next(), "cloze.test.2");
  REQUIRE_ERROR(stream.next(), "cloze.test.2");
}

TEST_CASE("no more is read ahead than the queue may hold") {
  std::atomic<int> given = 0;
  PrefetchedStream stream(Counter(1000000, false, &given), {.chunk = 10, .chunks = 3});
  CHECK(given == 0);
  REQUIRE(stream.next() == 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(given <= 10 * (3 + 2));  // one chunk in use, three waiting, one being made
}

TEST_CASE("a prefetched stream can be dropped or moved at any time") {
  for (const int used : {0, 1, 15, 100}) {
    PrefetchedStream stream(Counter(100000, false, nullptr), {.chunk = 4, .chunks = 2});
    for (int i = 0; i < used; ++i) REQUIRE(stream.next() == i);
    auto moved = std::move(stream);
    REQUIRE(moved.next() == used);
  }
}

TEST_CASE("a prefetched stream resumes behind any item, also with other chunks") {
  test::TemporaryFolder folder;
  const auto path = folder.write("a", numbered(60));
  const auto length = [](const Line& line) { return line.text + "!"; };
  const auto make = [&](Index chunk) {
    return PrefetchedStream(ShuffledStream(LineStream({path}, {.passes = 2}), 7, Rng(3)), {.chunk = chunk, .chunks = 2},
                            length);
  };
  std::vector<std::string> all;
  for (auto stream = make(8); auto item = stream.next();) all.push_back(*item);
  CHECK(all.size() == 120);
  auto stream = make(8);
  for (std::size_t used = 0; used <= all.size(); ++used) {
    auto again = make(used % 3 ? 8 : 5);
    if (used % 4 == 0) static_cast<void>(again.next());  // its thread is running
    again.restore(nlohmann::json::parse(stream.state().dump()));
    std::vector<std::string> rest;
    while (auto item = again.next()) rest.push_back(*item);
    REQUIRE(rest == std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(used), all.end()));
    again.restore(stream.state());
    if (used < all.size()) REQUIRE(again.next() == all[used]);
    static_cast<void>(stream.next());
  }
}

TEST_CASE("prefetching refuses options and states that cannot be right") {
  const auto make = [](PrefetchOptions options) { return PrefetchedStream(Counter(3, false, nullptr), options); };
  REQUIRE_ERROR(make({.chunk = 0}), "cloze.stream.3");
  REQUIRE_ERROR(make({.chunks = 0}), "cloze.stream.3");
  REQUIRE_ERROR(make({.threads = 0}), "cloze.stream.3");
  auto stream = make({});
  REQUIRE_ERROR(stream.restore({{"source", 2}, {"taken", 2}}), "cloze.stream.2");
  REQUIRE_ERROR(stream.restore({{"source", 2}}), "cloze.json.2");
  REQUIRE_ERROR(stream.restore({{"source", 2}, {"taken", -2}}), "cloze.json.2");
  stream.restore({{"source", 2}, {"taken", 1}});
  CHECK(!stream.next());
}
