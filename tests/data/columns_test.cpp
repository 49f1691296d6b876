#include <cloze/data/columns.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

#include <cloze/data/jsonl.hpp>
#include <cloze/data/tsv.hpp>

using namespace cloze;

namespace {
struct Files {
  test::TemporaryFolder folder;
  std::vector<Example> tsv(std::string_view text, const Columns& columns) {
    return read_tsv(folder.write("t.tsv", text), columns);
  }
};
}  // namespace

TEST_CASE("TSV columns are found by position, from the end, and by header name; quotes are text") {
  Files files;
  auto examples = files.tsv("\"q\" a\tx\t1\nb\t\"\t0", {.text_a = 0, .text_b = 1, .label = -1, .labels = {"0", "1"}});
  REQUIRE(examples.size() == 2);
  CHECK(examples[0].text_a == "\"q\" a");
  CHECK(examples[1].text_b == "\"");
  CHECK(examples[0].label == LabelId{1});
  examples = files.tsv("y\tx\r\n1\thello\r\n", {.text_a = "x", .label = "y", .labels = {"0", "1"}, .header = true});
  REQUIRE(examples.size() == 1);
  CHECK(examples[0].text_a == "hello");
  CHECK(examples[0].source.ends_with("t.tsv:2"));
}

TEST_CASE("rows may be longer than the header when columns are given by position") {
  Files files;
  const auto examples =
      files.tsv("a\tb\tl\n1\t2\t3\t4\tx\n", {.text_a = 0, .text_b = 1, .label = -1, .labels = {"x"}, .header = true});
  REQUIRE(examples.size() == 1);
  CHECK(examples[0].label == LabelId{0});
}

TEST_CASE("too few columns are an error, also where the last column would be a text") {
  Files files;
  REQUIRE_ERROR(files.tsv("a\n", {.text_a = 1}), "cloze.data.2");
  REQUIRE_ERROR(files.tsv("a\tb\n\n", {.text_a = 1}), "cloze.data.2");
  REQUIRE_ERROR(files.tsv("x\tx\n", {.text_a = 0, .text_b = 1, .label = -1, .labels = {"x"}}), "cloze.data.2");
  REQUIRE_ERROR(files.tsv("a\tb\n", {.text_a = 0, .meta = {{"id", 2}}}), "cloze.data.2");
}

TEST_CASE("a label outside the list is an error that names file, line and the known labels") {
  Files files;
  try {
    files.tsv("a\t0\nb\t7\n", {.text_a = 0, .label = 1, .labels = {"0", "1"}});
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.id() == "cloze.data.3");
    CHECK(std::string(error.what()).find("t.tsv:2: label \"7\" is not one of \"0\", \"1\"") != std::string::npos);
  }
  REQUIRE_ERROR(files.tsv("a\t0 \n", {.text_a = 0, .label = 1, .labels = {"0"}}), "cloze.data.3");
}

TEST_CASE("scores must be finite numbers within the bounds") {
  Files files;
  const Columns columns{.text_a = 0, .score = 1, .bounds = Bounds{0, 5}};
  CHECK(files.tsv("a\t0\nb\t5.000\nc\t2.5e0\n", columns).size() == 3);
  for (const char* bad : {"a\tx", "a\t", "a\t1,5", "a\t1 ", "a\tnan", "a\tinf", "a\t1e999", "a\t-0.1", "a\t5.01"})
    REQUIRE_ERROR(files.tsv(bad, columns), "cloze.data.4");
}

TEST_CASE("header mistakes are errors") {
  Files files;
  REQUIRE_ERROR(files.tsv("", {.text_a = 0, .header = true}), "cloze.data.5");
  REQUIRE_ERROR(files.tsv("a\tb\n", {.text_a = "c", .header = true}), "cloze.data.5");
  REQUIRE_ERROR(files.tsv("a\ta\n", {.text_a = "a", .header = true}), "cloze.data.5");
  REQUIRE_ERROR(files.tsv("a\tb\n", {.text_a = "a"}), "cloze.data.5");
  REQUIRE_ERROR(files.tsv("a\tb\n", {.text_a = -2}), "cloze.data.5");
  REQUIRE_ERROR(files.tsv("a\tb\n", {.text_a = 0, .label = 1}), "cloze.data.5");
  // The first example must not be taken for a header.
  REQUIRE_ERROR(files.tsv("a\t0\nb\t1\n", {.text_a = 0, .label = 1, .labels = {"0", "1"}, .header = true}),
                "cloze.data.5");
  REQUIRE_ERROR(files.tsv("a\t0.5\nb\t1\n", {.text_a = 0, .score = 1, .header = true}), "cloze.data.5");
}

TEST_CASE("an empty file without header is an empty data set") {
  Files files;
  CHECK(files.tsv("", {.text_a = 0}).empty());
}

TEST_CASE("JSON Lines are read by key; labels may be strings, integers or booleans") {
  const Columns columns{.text_a = "text",
                        .text_b = "b",
                        .label = "y",
                        .score = "s",
                        .meta = {{"m", "extra"}},
                        .labels = {"false", "true", "3"}};
  const auto examples = parse_jsonl(
      "{\"text\":\"a\\u0000b\",\"b\":\"\",\"y\":true,\"s\":1,\"extra\":[1,2]}\r\n"
      "{\"text\":\"t\",\"b\":\"u\",\"y\":3,\"s\":0.5,\"extra\":\"e\"}",
      columns, "x.jsonl");
  REQUIRE(examples.size() == 2);
  CHECK(examples[0].text_a == std::string("a\0b", 3));
  CHECK(examples[0].text_b == "");
  CHECK(examples[0].label == LabelId{1});
  CHECK(examples[0].score == 1.f);
  CHECK(examples[0].meta.at("m") == "[1,2]");
  CHECK(examples[1].label == LabelId{2});
  CHECK(examples[1].meta.at("m") == "e");
  CHECK(examples[1].source == "x.jsonl:2");
}

TEST_CASE("bad JSON Lines are errors that name the line") {
  const Columns text{.text_a = "text"};
  REQUIRE_ERROR(parse_jsonl("{\"text\":\"a\"}\n{", text, "x"), "cloze.json.1");
  REQUIRE_ERROR(parse_jsonl("{\"text\":\"a\"}\n\n", text, "x"), "cloze.json.1");
  REQUIRE_ERROR(parse_jsonl("[1]", text, "x"), "cloze.json.2");
  REQUIRE_ERROR(parse_jsonl("{}", text, "x"), "cloze.json.2");
  REQUIRE_ERROR(parse_jsonl("{\"text\":1}", text, "x"), "cloze.json.2");
  REQUIRE_ERROR(parse_jsonl("{\"text\":null}", text, "x"), "cloze.json.2");
  const Columns label{.text_a = "t", .label = "y", .labels = {"1"}};
  REQUIRE_ERROR(parse_jsonl("{\"t\":\"\",\"y\":1.5}", label, "x"), "cloze.json.2");
  REQUIRE_ERROR(parse_jsonl("{\"t\":\"\",\"y\":2}", label, "x"), "cloze.data.3");
  REQUIRE_ERROR(parse_jsonl("{\"t\":\"\",\"y\":2}", {.text_a = 0}, "x"), "cloze.data.5");
  REQUIRE_ERROR(parse_jsonl("", {.text_a = "t", .label = "y"}, "x"), "cloze.data.5");
  REQUIRE_ERROR(parse_jsonl("{\"t\":\"\",\"s\":7}", {.text_a = "t", .score = "s", .bounds = Bounds{0, 5}}, "x"),
                "cloze.data.4");
  try {
    parse_jsonl("{\"text\":\"a\"}\n{\"text\":", text, "f.jsonl");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("f.jsonl:2") != std::string::npos);
  }
}
