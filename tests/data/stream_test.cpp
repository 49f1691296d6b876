#include <cloze/data/stream.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>

#include <cloze/data/line_stream.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

std::vector<std::string> rest(auto& stream) {
  std::vector<std::string> texts;
  while (auto line = stream.next()) texts.push_back(line->text);
  return texts;
}

std::string numbered(const std::string& name, int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) text += name + std::to_string(i) + "\n";
  return text;
}

/// Takes a stream's state behind every item, through text as a checkpoint would, and goes on from it in a fresh stream.
void resumes_everywhere(auto make) {
  auto whole = make();
  const auto all = rest(whole);
  auto stream = make();
  for (std::size_t used = 0; used <= all.size(); ++used) {
    auto again = make();
    again.restore(nlohmann::json::parse(stream.state().dump()));
    const std::vector<std::string> wanted(all.begin() + static_cast<std::ptrdiff_t>(used), all.end());
    REQUIRE(rest(again) == wanted);
    if (used % 5 == 0) {  // back to the place from the end of the data, in a stream that has been used
      again.restore(stream.state());
      REQUIRE(rest(again) == wanted);
    }
    static_cast<void>(stream.next());
  }
}

}  // namespace

TEST_CASE("a mixture draws from its streams by weight and repeats under the same seed") {
  test::TemporaryFolder folder;
  const std::vector<std::string> names{"a", "b", "c"};
  const auto make = [&](std::uint64_t seed) {
    std::vector<LineStream> streams;
    for (const auto& name : names)
      streams.emplace_back(std::vector{folder.write(name, numbered(name, 7))}, LineStreamOptions{.passes = 0});
    return MixedStream(std::move(streams), {1, 2, 5}, Rng(seed, "mix"));
  };
  auto mixed = make(3), same = make(3), other = make(4);
  std::map<char, double> seen;
  int differs = 0;
  for (int i = 0; i < 8000; ++i) {
    const auto line = mixed.next();
    ++seen[line->text[0]];
    REQUIRE(line->text == same.next()->text);
    differs += line->text != other.next()->text;
  }
  CHECK(differs > 1000);
  CHECK(std::abs(seen['a'] - 1000) < 5 * std::sqrt(8000 * 0.125 * 0.875));
  CHECK(std::abs(seen['b'] - 2000) < 5 * std::sqrt(8000 * 0.25 * 0.75));
  CHECK(static_cast<double>(mixed.counts()[2]) == seen['c']);
}

TEST_CASE("where one stream of a mixture ends, the others go on or the mixture ends") {
  test::TemporaryFolder folder;
  const auto make = [&](WhenOneEnds when) {
    std::vector<LineStream> streams;
    streams.emplace_back(std::vector{folder.write("a", numbered("a", 5))});
    streams.emplace_back(std::vector{folder.write("b", numbered("b", 50))});
    return MixedStream(std::move(streams), {1, 1}, Rng(1), when);
  };
  auto drop = make(WhenOneEnds::drop);
  auto all = rest(drop);
  CHECK(all.size() == 55);
  CHECK(!drop.next());
  std::vector<std::string> of_b;
  std::copy_if(all.begin(), all.end(), std::back_inserter(of_b), [](const auto& text) { return text[0] == 'b'; });
  CHECK(of_b[49] == "b49");
  auto stop = make(WhenOneEnds::stop);
  CHECK(rest(stop).size() < 30);
  CHECK(stop.counts()[0] == 5);
  CHECK(!stop.next());
}

TEST_CASE("a shuffled stream gives every item once, in an order that mixes each window") {
  test::TemporaryFolder folder;
  const auto path = folder.write("a", numbered("", 1000));
  for (const Index window : {1, 3, 16, 999, 1000, 1001, 100000}) {
    ShuffledStream stream(LineStream({path}), window, Rng(5));
    const auto found = rest(stream);
    CHECK(found.size() == 1000);
    CHECK(std::set<std::string>(found.begin(), found.end()).size() == 1000);
    Index in_place = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto from = std::stoll(found[i]);
      REQUIRE(from / window == static_cast<Index>(i) / window);
      in_place += from == static_cast<Index>(i);
    }
    if (window == 1) CHECK(in_place == 1000);
    if (window >= 16) CHECK(in_place < 150);
  }
}

TEST_CASE("a stream goes on from its state behind any item with the same rest") {
  test::TemporaryFolder folder;
  const auto a = folder.write("a", numbered("a", 11)), b = folder.write("b",
                                                                        "\xEF\xBB\xBF"
                                                                        "b0\r\n\n  \nb1\nlast");
  const auto c = folder.write("c", numbered("c", 6));
  resumes_everywhere([&] { return LineStream({a, b, c}, {.passes = 2}); });
  resumes_everywhere([&] { return LineStream({b, a}, {.keep_blank = true, .mark_file_ends = true}); });
  resumes_everywhere([&] { return ShuffledStream(LineStream({a, b, c}, {.passes = 3}), 4, Rng(2)); });
  const auto mixed = [&] {
    std::vector<ShuffledStream<LineStream>> streams;
    streams.emplace_back(LineStream({a, b}), 3, Rng(1, "a"));
    streams.emplace_back(LineStream({c}), 4, Rng(1, "c"));
    return ShuffledStream(MixedStream(std::move(streams), {1, 3}, Rng(7)), 5, Rng(8));
  };
  resumes_everywhere(mixed);
}

TEST_CASE("streams refuse options and states that cannot be right") {
  test::TemporaryFolder folder;
  const auto path = folder.write("a", numbered("a", 10));
  const auto streams = [&](int count) {
    std::vector<LineStream> made;
    for (int i = 0; i < count; ++i) made.emplace_back(std::vector{path});
    return made;
  };
  REQUIRE_ERROR(MixedStream(streams(0), {}, Rng(1)), "cloze.stream.1");
  REQUIRE_ERROR(MixedStream(streams(2), {1}, Rng(1)), "cloze.stream.1");
  for (const double weight : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    REQUIRE_ERROR(MixedStream(streams(2), {1, weight}, Rng(1)), "cloze.stream.1");
  REQUIRE_ERROR(ShuffledStream(LineStream({path}), 0, Rng(1)), "cloze.stream.3");

  MixedStream two(streams(2), {1, 1}, Rng(1));
  MixedStream three(streams(3), {1, 1, 1}, Rng(1));
  REQUIRE_ERROR(three.restore(two.state()), "cloze.stream.2");
  REQUIRE_ERROR(two.restore(nlohmann::json::object()), "cloze.json.2");
  ShuffledStream four(LineStream({path}), 4, Rng(1)), five(LineStream({path}), 5, Rng(1));
  REQUIRE_ERROR(five.restore(four.state()), "cloze.stream.2");
  auto state = four.state();
  state["taken"] = 5;
  REQUIRE_ERROR(four.restore(state), "cloze.stream.2");
  state["taken"] = -1;
  REQUIRE_ERROR(four.restore(state), "cloze.json.2");
  state.erase("rng");
  REQUIRE_ERROR(four.restore(state), "cloze.json.2");
}
