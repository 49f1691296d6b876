#include <cloze/data/text_file.hpp>

#include <vector>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

TEST_CASE("well-formed UTF-8 is accepted and every kind of broken UTF-8 is refused") {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "caf\xc3\xa9"})
    CHECK_NOTHROW(detail::check_utf8(good, "x"));
  for (const char* bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xf0\x90\x80"})
    REQUIRE_ERROR(detail::check_utf8(bad, "x"), "cloze.data.1");
  CHECK_NOTHROW(detail::check_utf8(std::string_view("a\0b", 3), "x"));
}

TEST_CASE("the error about broken UTF-8 names the line and the byte") {
  test::TemporaryFolder folder;
  const auto file = folder.write("bad.txt", "one\ntwo\nab\xff\n");
  try {
    read_text(file);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("bad.txt:3: byte 3 of the line is 0xff") != std::string::npos);
  }
}

TEST_CASE("lines end at LF or CR LF, a last line without an end counts, an empty text has none") {
  const auto lines = [](std::string_view text) {
    std::vector<std::pair<Index, std::string>> found;
    detail::for_each_line(text, [&](Index number, std::string_view line) { found.emplace_back(number, line); });
    return found;
  };
  using Lines = std::vector<std::pair<Index, std::string>>;
  CHECK(lines("").empty());
  CHECK(lines("a") == Lines{{1, "a"}});
  CHECK(lines("a\n") == Lines{{1, "a"}});
  CHECK(lines("a\r\n\nb\r\nc\r") == Lines{{1, "a"}, {2, ""}, {3, "b"}, {4, "c\r"}});
}

TEST_CASE("a byte-order mark is not text") {
  test::TemporaryFolder folder;
  CHECK(read_text(folder.write("bom.txt", "\xEF\xBB\xBFhello")) == "hello");
  CHECK(read_text(folder.write("empty.txt", "")).empty());
  REQUIRE_ERROR(read_text(folder.path() / "absent"), "cloze.file.1");
}
