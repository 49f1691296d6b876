#include <cloze/core/json_log.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

nlohmann::json record(int number) {
  nlohmann::json json;
  json["number"] = number;
  return json;
}

}  // namespace

TEST_CASE("a log keeps what was appended, and a new one begins empty") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "log.jsonl";
  {
    JsonLog log(path);
    CHECK(log.records().empty());
    log.append(record(1));
    CHECK(read_file(path) == "{\"number\":1}\n");
    log.append(record(2));
    CHECK(log.records().size() == 2);
  }
  JsonLog again(path);
  REQUIRE(again.records().size() == 2);
  CHECK(again.records()[1].at("number") == 2);
  CHECK(again.dropped().empty());
  CHECK(read_json_log(path).size() == 2);
}

TEST_CASE("a log cut at any byte loses the cut line only, and goes on") {
  const test::TemporaryFolder folder;
  const std::string whole = "{\"number\":1}\n{\"number\":22}\n{\"number\":333}\n";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    const auto path = folder.write("log.jsonl", whole.substr(0, cut));
    std::size_t lines = 0;
    for (std::size_t i = 0; i < cut; ++i) lines += whole[i] == '\n';
    const bool only_break_missing = cut < whole.size() && whole[cut] == '\n';
    const std::size_t wanted = lines + (only_break_missing ? 1 : 0);
    CAPTURE(cut);
    CHECK(read_json_log(path).size() == wanted);
    JsonLog log(path);
    CHECK(log.records().size() == wanted);
    CHECK(log.dropped().empty() == (only_break_missing || cut == 0 || whole[cut - 1] == '\n'));
    for (int number = 1; number <= 3; ++number)
      if (static_cast<std::size_t>(number) > wanted) log.append(record(number == 1 ? 1 : number == 2 ? 22 : 333));
    CHECK(read_file(path) == whole);
  }
}

TEST_CASE("a cut inside a letter, and zeros after a crash, count as a cut line") {
  const test::TemporaryFolder folder;
  for (const std::string& tail :
       {std::string("{\"a\":\"\xC3"), std::string(5, '\0'), std::string("12"), std::string("[")}) {
    const auto path = folder.write("log.jsonl", "{}\n" + tail);
    JsonLog log(path);
    CHECK(log.records().size() == 1);
    CHECK(log.dropped() == tail);
    CHECK(read_file(path) == "{}\n");
  }
}

TEST_CASE("damage before the last line is an error that names the line, and the file stays") {
  const test::TemporaryFolder folder;
  const auto check = [&](const std::string& text, const std::string& id, const std::string& place) {
    const auto path = folder.write("log.jsonl", text);
    for (const bool reading : {true, false}) {
      try {
        if (reading) {
          read_json_log(path);
        } else {
          JsonLog log(path);
        }
        FAIL("no error");
      } catch (const Error& error) {
        CHECK(error.id() == id);
        CHECK(std::string(error.what()).find(place) != std::string::npos);
      }
    }
    CHECK(read_file(path) == text);
  };
  check("{}\n{\"a\":\n{}\n", "cloze.json.1", "log.jsonl:2");
  check("\n{}\n", "cloze.json.1", "log.jsonl:1");
  check("{}\n{}\n[1]\n", "cloze.json_log.2", "log.jsonl:3");
  check("{} {}\n", "cloze.json.1", "log.jsonl:1");
}

TEST_CASE("two writers cannot hold one log, and it is free again after the first") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "log.jsonl";
  {
    JsonLog first(path);
    first.append(record(1));
    REQUIRE_ERROR(JsonLog(path), "cloze.json_log.1");
    CHECK(read_json_log(path).size() == 1);
    first.release();
    JsonLog second(path);
    CHECK(second.records().size() == 1);
  }
  CHECK(JsonLog(path).records().size() == 1);
}

TEST_CASE("text that is not UTF-8 is written so that it can be read again") {
  const test::TemporaryFolder folder;
  nlohmann::json broken;
  broken["error"] = "a \xFF byte\nand a line";
  JsonLog(folder.path() / "log.jsonl").append(broken);
  CHECK(read_json_log(folder.path() / "log.jsonl")[0].at("error") == "a \xEF\xBF\xBD byte\nand a line");
}

TEST_CASE("a log that cannot be a file is refused") {
  const test::TemporaryFolder folder;
  REQUIRE_ERROR(JsonLog(folder.path()), "cloze.file.1");
  REQUIRE_ERROR(JsonLog(folder.path() / "none" / "log.jsonl"), "cloze.file.3");
  REQUIRE_ERROR(read_json_log(folder.path() / "none.jsonl"), "cloze.file.1");
}
