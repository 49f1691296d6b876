#include <cloze/train/resumable_stream.hpp>

#include <cloze/data/line_stream.hpp>
#include <cloze/data/list_stream.hpp>
#include <cloze/train/checkpoint.hpp>
#include <cloze/train/run_identity.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

TEST_CASE("a stream in a checkpoint goes on in the middle of a file") {
  const test::TemporaryFolder folder;
  const auto text = folder.write("text", "a\nb\nc\nd\ne\n");
  const auto make = [&] { return LineStream({text}, {.passes = 0}); };
  ResumableStream<LineStream> first(make), second(make);
  Checkpoint saved, loaded;
  saved.add("data", first);
  loaded.add("data", second);
  for (int i = 0; i < 8; ++i) first.next();
  saved.save(folder.path() / "x");
  second.next();
  loaded.load(folder.path() / "x");
  for (int i = 0; i < 9; ++i) CHECK(first.next()->text == second.next()->text);
}

TEST_CASE("a corpus that changed is refused, and the stream stays where it was") {
  const test::TemporaryFolder folder;
  const auto text = folder.write("text", "a\nb\nc\n");
  ResumableStream<LineStream> stream([&] { return LineStream({text}, {.passes = 0}); });
  Checkpoint run;
  run.add("data", stream);
  run.save(folder.path() / "x");
  folder.write("text", "a\nb\nC\n");
  REQUIRE_ERROR(run.load(folder.path() / "x"), "cloze.stream.5");
  ResumableStream<ListStream<int>> list([] { return ListStream(std::vector{1, 2, 3}, 0); });
  Checkpoint other;
  other.add("data", list);
  list.next();
  REQUIRE_ERROR(other.load(folder.path() / "x"), "cloze.json.2");
  CHECK(list.next() == 2);
}

TEST_CASE("a run's identity is compared fact by fact before anything is loaded") {
  const test::TemporaryFolder folder;
  RunIdentity mine{{{"model", "bert 2x12"}, {"corpus a", "7 bytes"}}};
  Index step = 4;
  Checkpoint run;
  run.add("identity", mine);
  run.add("step", step);
  run.save(folder.path() / "x");
  step = 9;
  const auto refused = [&](std::map<std::string, std::string> facts, const std::string& named) {
    mine.facts = std::move(facts);
    try {
      run.load(folder.path() / "x");
      FAIL("loaded");
    } catch (const Error& error) {
      CHECK(error.id() == "cloze.checkpoint.4");
      CHECK(std::string(error.what()).find(named) != std::string::npos);
    }
    CHECK(step == 9);
  };
  refused({{"model", "bert 6x384"}, {"corpus a", "7 bytes"}}, "bert 6x384");
  refused({{"model", "bert 2x12"}, {"corpus a", "8 bytes"}}, "corpus a");
  refused({{"model", "bert 2x12"}, {"corpus a", "7 bytes"}, {"corpus b", "1 byte"}}, "corpus b");
  refused({{"model", "bert 2x12"}}, "corpus a");
  mine.facts = {{"model", "bert 2x12"}, {"corpus a", "7 bytes"}};
  run.load(folder.path() / "x");
  CHECK(step == 4);
}
