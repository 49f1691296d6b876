#include <cloze/data/csv.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {
std::vector<std::vector<std::string>> fields(std::string_view text) {
  std::vector<std::vector<std::string>> found;
  for (const Row& row : parse_csv(text, "x.csv")) found.push_back(row.fields);
  return found;
}
using Table = std::vector<std::vector<std::string>>;
}  // namespace

TEST_CASE("CSV fields are read as RFC 4180 says") {
  CHECK(fields("").empty());
  CHECK(fields("a") == Table{{"a"}});
  CHECK(fields("a,b\nc,d\n") == Table{{"a", "b"}, {"c", "d"}});
  CHECK(fields("a,b\r\nc,d\r\n") == Table{{"a", "b"}, {"c", "d"}});
  CHECK(fields("\"a\",\"b,c\"\n") == Table{{"a", "b,c"}});
  CHECK(fields("\"he said \"\"no\"\"\",\"\"\n") == Table{{"he said \"no\"", ""}});
  CHECK(fields("\"\"\"\"") == Table{{"\""}});
  CHECK(fields("1,\"two\nlines\r\nthree\"\n2,x") == Table{{"1", "two\nlines\r\nthree"}, {"2", "x"}});
  CHECK(fields(",\n,") == Table{{"", ""}, {"", ""}});
  CHECK(fields(" a , b ") == Table{{" a ", " b "}});
  CHECK(fields("a\rb,c") == Table{{"a\rb", "c"}});
}

TEST_CASE("a CSV row carries the line on which it begins") {
  const auto rows = parse_csv("a,b\n\"1\n2\n3\",c\nd,e\n", "x.csv");
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].line == 1);
  CHECK(rows[1].line == 2);
  CHECK(rows[2].line == 5);
}

TEST_CASE("broken CSV quotes are errors that name the line") {
  for (const char* bad :
       {"a,\"b", "a,\"b\nc,d\n", "a\"b,c", "\"a\"b,c", "\"a\" ,c", "\"", "a,b\"", "\"a\"\"", "\"a\"\rb"})
    REQUIRE_ERROR(parse_csv(bad, "x.csv"), "cloze.data.6");
  try {
    parse_csv("ok,ok\nok,\"open\nmore\n", "x.csv");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("x.csv:2:") != std::string::npos);
  }
}

TEST_CASE("CSV records must have one width") {
  REQUIRE_ERROR(parse_csv("a,b\nc\n", "x"), "cloze.data.2");
  REQUIRE_ERROR(parse_csv("a,b\nc,d,e\n", "x"), "cloze.data.2");
  REQUIRE_ERROR(parse_csv("a,b\n\nc,d\n", "x"), "cloze.data.2");
}

TEST_CASE("csv_field writes what parse_csv reads back") {
  for (const char* text : {"", "a", "a,b", "\"", "\"\"", "a\nb", "a\r\nb", "\r", " x ", ",", "caf\xc3\xa9"}) {
    const auto back = parse_csv(csv_field(text) + ",end\n", "x");
    REQUIRE(back.size() == 1);
    CHECK(back[0].fields == std::vector<std::string>{text, "end"});
  }
  CHECK(csv_field("plain 'text'") == "plain 'text'");
}

TEST_CASE("read_csv makes examples of named columns") {
  test::TemporaryFolder folder;
  const auto file =
      folder.write("r.csv", "\xEF\xBB\xBFid,review,stars,score\r\n7,\"good, really\",2,4.5\r\n8,bad,1,-1e1\r\n");
  const Columns columns{.text_a = "review",
                        .label = "stars",
                        .score = "score",
                        .meta = {{"id", "id"}},
                        .labels = {"1", "2"},
                        .header = true};
  const auto examples = read_csv(file, columns);
  REQUIRE(examples.size() == 2);
  CHECK(examples[0].text_a == "good, really");
  CHECK_FALSE(examples[0].text_b.has_value());
  CHECK(examples[0].label == LabelId{1});
  CHECK(examples[0].score == 4.5f);
  CHECK(examples[0].meta.at("id") == "7");
  CHECK(examples[0].source == file.string() + ":2");
  CHECK(examples[1].label == LabelId{0});
  CHECK(examples[1].score == -10.f);
}
