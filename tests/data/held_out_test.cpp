#include <cloze/data/held_out.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

TEST_CASE("about one block in so many is held out, whole, and the same ones every time") {
  const HeldOutRule rule{.every = 10, .block = 4};
  int held = 0;
  for (std::uint64_t block = 0; block < 20000; ++block) {
    const bool first = rule({.number = block * 4 + 1});
    for (std::uint64_t line = 2; line <= 4; ++line) CHECK(rule({.number = block * 4 + line}) == first);
    held += first;
  }
  // Binomial(20000, 1/10): deviation 42.
  CHECK(std::abs(held - 2000) < 5 * 42);
  int same = 0;
  for (std::uint64_t line = 1; line < 20000; ++line)
    same += rule({.file = 0, .number = line}) == rule({.file = 1, .number = line});
  CHECK(same < 18000);  // another file, other blocks: 82 % agree by chance
  CHECK(!HeldOutRule{.every = 0}({.number = 1}));
  CHECK(!HeldOutRule{.every = 3, .block = 0}({.number = 1}));
  CHECK(HeldOutRule{.every = 1}({.number = 77}));
}

TEST_CASE("a stream with a wish leaves the other lines out, and says so where none is left") {
  const test::TemporaryFolder folder;
  std::string text;
  for (int i = 1; i <= 300; ++i) text += "line " + std::to_string(i) + "\n" + (i % 7 == 0 ? "\n" : "");
  const auto path = folder.write("text", text);
  const HeldOutRule rule{.every = 4, .block = 8};
  LineStream all({path}), train({path}, {.wanted = [rule](const Line&line) { return !rule(line); }});
  std::vector<std::string> wanted, found;
  while (const auto line = all.next())
    if (!rule(*line)) wanted.push_back(line->text);
  while (const auto line = train.next()) found.push_back(line->text);
  CHECK(found == wanted);
  CHECK(found.size() > 150);
  CHECK(found.size() < 290);
  LineStream nothing({path}, {.passes = 0, .wanted = [](const Line&) { return false; }});
  REQUIRE_ERROR(nothing.next(), "cloze.stream.6");
}
