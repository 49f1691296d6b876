#include <cloze/data/line_stream.hpp>

#include <string>

#include <cloze/core/rng.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

std::vector<Line> all(LineStream stream) {
  std::vector<Line> lines;
  while (auto line = stream.next()) lines.push_back(*line);
  return lines;
}

std::vector<std::string> texts(LineStream stream) {
  std::vector<std::string> found;
  for (const Line& line : all(std::move(stream))) found.push_back(line.text);
  return found;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("lines come without their ends, blank ones left out, numbered in their file") {
  test::TemporaryFolder folder;
  const auto one = folder.write("one",
                                "\xEF\xBB\xBF"
                                "first\r\n\n \t\nfourth\nlast without end");
  const auto two = folder.write("two", "x\n");
  const auto empty = folder.write("empty", "");
  const auto lines = all(LineStream({one, empty, two}));
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].text == "first");
  CHECK(lines[1].text == "fourth");
  CHECK(lines[1].number == 4);
  CHECK(lines[2].text == "last without end");
  CHECK(lines[2].number == 5);
  CHECK(lines[3].file == 2);
  CHECK(LineStream({one, empty, two}).where(lines[3]) == two.string() + ":1");
  CHECK(texts(LineStream({one}, {.keep_blank = true})) == Texts{"first", "", " \t", "fourth", "last without end"});
  CHECK(texts(LineStream({two}, {.passes = 3})) == Texts{"x", "x", "x"});
}

TEST_CASE("lines of every length come out whole, wherever the reads cut them") {
  test::TemporaryFolder folder;
  Rng rng(1);
  Texts wanted;
  std::string text;
  for (const std::size_t size : {1, 3, 16, 63, 64, 65, 262143, 262144, 262145, 524288, 700000, 1, 1048576}) {
    std::string line(size, 'a');
    for (char& c : line) c = static_cast<char>('a' + rng.below(26));
    wanted.push_back(line);
    text += line + (size % 2 ? "\n" : "\r\n");
  }
  const auto path = folder.write("long", text);
  CHECK(texts(LineStream({path})) == wanted);
}

TEST_CASE("a line beyond the limit is an error, or is split behind white space and never inside a character") {
  test::TemporaryFolder folder;
  const auto path = folder.write("long", "short\n" + std::string(50, 'x') + " " + std::string(30, 'y') + "\nend\n");
  REQUIRE_ERROR(all(LineStream({path}, {.max_line_bytes = 64})), "cloze.stream.7");
  const auto split = all(LineStream({path}, {.long_lines = LongLine::split, .max_line_bytes = 64}));
  REQUIRE(split.size() == 4);
  CHECK(split[1].text == std::string(50, 'x') + " ");
  CHECK(split[2].text == std::string(30, 'y'));
  CHECK((split[1].number == 2 && split[2].number == 2 && split[3].number == 3));
  CHECK(all(LineStream({path}, {.max_line_bytes = 81})).size() == 3);

  std::string accents;
  for (int i = 0; i < 100; ++i) accents += "\xE2\x82\xAC";  // no white space, three bytes each
  const auto signs = folder.write("signs", accents);
  std::string joined;
  for (const auto& part : texts(LineStream({signs}, {.long_lines = LongLine::split, .max_line_bytes = 64}))) {
    CHECK((part.size() % 3 == 0 && part.size() <= 64));
    joined += part;
  }
  CHECK(joined == accents);
  // Exactly at the limit, with either end, nothing is split.
  const auto exact =
      folder.write("exact", std::string(64, 'x') + "\r\n" + std::string(64, 'y') + "\n" + std::string(64, 'z'));
  CHECK(all(LineStream({exact}, {.max_line_bytes = 64})).size() == 3);
}

TEST_CASE("a line of 100 MB is split or refused in little memory") {
  test::TemporaryFolder folder;
  const auto path = folder.path() / "huge";
  {
    std::ofstream file(path, std::ios::binary);
    const std::string part = std::string(999, 'w') + " ";
    for (int i = 0; i < 100000; ++i) file << part;
    file << "\nafter\n";
  }
  LineStream refused({path});
  REQUIRE_ERROR(refused.next(), "cloze.stream.7");
  LineStream stream({path}, {.long_lines = LongLine::split});
  std::size_t bytes = 0, parts = 0;
  std::string last;
  while (auto line = stream.next()) {
    REQUIRE(line->text.size() <= std::size_t{1} << 20);
    bytes += line->text.size();
    last = line->text;
    ++parts;
  }
  CHECK(bytes == 100000005);
  CHECK(last == "after");
  CHECK(parts < 110);
}

TEST_CASE("split lines resume behind any part") {
  test::TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 200; ++i) text += "word" + std::to_string(i) + " ";
  const auto path = folder.write("a", text + "\nnext\n" + text);
  const LineStreamOptions options{.long_lines = LongLine::split, .max_line_bytes = 64};
  const auto whole = all(LineStream({path}, options));
  LineStream stream({path}, options);
  for (std::size_t used = 0; used < whole.size(); ++used) {
    LineStream again({path}, options);
    again.restore(stream.state());
    for (std::size_t i = used; i < whole.size(); ++i) {
      const auto line = again.next();
      REQUIRE((line->text == whole[i].text && line->number == whole[i].number));
    }
    REQUIRE(!again.next());
    static_cast<void>(stream.next());
  }
}

TEST_CASE("broken UTF-8 is an error that names the line, or is replaced") {
  test::TemporaryFolder folder;
  const auto path = folder.write("bad", "good\nbad \xC3( here\n");
  LineStream stream({path});
  CHECK(stream.next()->text == "good");
  try {
    static_cast<void>(stream.next());
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.id() == "cloze.data.1");
    CHECK(std::string(error.what()).find("bad:2: byte 5") != std::string::npos);
  }
  // Wanted texts are those of Python: bytes.decode("utf-8", "replace").
  const std::string mark = "\xEF\xBF\xBD";
  for (const auto& [bytes, wanted] :
       std::vector<std::pair<std::string, std::string>>{{"a\x80z", "a" + mark + "z"},
                                                        {"a\xC3(z", "a" + mark + "(z"},
                                                        {"\xE2\x82", mark},
                                                        {"\xE2\x82z", mark + "z"},
                                                        {"\xF0\x9F\x98z", mark + "z"},
                                                        {"\xF0\x9F\x98", mark},
                                                        {"\xF0\x80\x80", mark + mark + mark},
                                                        {"\xED\xA0\x80", mark + mark + mark},
                                                        {"\xF4\x90\x80\x80", mark + mark + mark + mark},
                                                        {"\xFF\xFE", mark + mark},
                                                        {"\xC0\xAF", mark + mark},
                                                        {"ok \xE2\x82\xAC", "ok \xE2\x82\xAC"},
                                                        {"12345678\xE2\x82\xAC"
                                                         "12345678\xFF"
                                                         "12345678",
                                                         "12345678\xE2\x82\xAC"
                                                         "12345678" +
                                                             mark + "12345678"}}) {
    const auto file = folder.write("replaced", bytes);
    CHECK(texts(LineStream({file}, {.invalid_utf8 = InvalidUtf8::replace})) == Texts{wanted});
  }
  const auto nul = folder.write("nul", std::string("a\0b\n", 4));
  CHECK(texts(LineStream({nul})) == Texts{std::string("a\0b", 3)});
}

TEST_CASE("an empty corpus is an error, at once or after a pass of blank lines") {
  test::TemporaryFolder folder;
  const auto empty = folder.write("empty", ""), blank = folder.write("blank", "\n \n\t\n");
  REQUIRE_ERROR(LineStream({}), "cloze.stream.6");
  REQUIRE_ERROR(LineStream({empty, empty}), "cloze.stream.6");
  for (const Index passes : {0, 1, 5}) {
    LineStream stream({blank, empty}, {.passes = passes});
    REQUIRE_ERROR(stream.next(), "cloze.stream.6");
    DocumentStream documents({blank}, {.passes = passes});
    REQUIRE_ERROR(documents.next(), "cloze.stream.6");
  }
}

TEST_CASE("files that are absent, folders, compressed or changed are errors") {
  test::TemporaryFolder folder;
  const auto path = folder.write("a", "one\ntwo\nthree\n");
  REQUIRE_ERROR(LineStream({folder.path() / "absent"}), "cloze.file.1");
  REQUIRE_ERROR(LineStream({folder.path()}), "cloze.file.1");
  LineStream packed({folder.write("a.xz", std::string("\xFD"
                                                      "7zXZ\0 and so on",
                                                      16))});
  REQUIRE_ERROR(packed.next(), "cloze.stream.4");

  LineStream stream({path});
  static_cast<void>(stream.next());
  const auto state = stream.state();
  folder.write("a", "one\ntwo\nthrEE\n");
  LineStream changed({path});
  REQUIRE_ERROR(changed.restore(state), "cloze.stream.5");
  LineStream later({path}, {.passes = 2});
  for (int i = 0; i < 3; ++i) static_cast<void>(later.next());
  folder.write("a", "another\n");
  REQUIRE_ERROR(
      [&] {
        while (later.next()) {
        }
      }(),
      "cloze.stream.5");
  folder.write("a", "one\ntwo\nthree\n");
  LineStream same({path});
  same.restore(state);
  CHECK(same.next()->text == "two");
  const auto moved = folder.write("elsewhere/b", "one\ntwo\nthree\n");
  LineStream elsewhere({moved});
  elsewhere.restore(state);
  CHECK(elsewhere.next()->text == "two");
}

TEST_CASE("a file that is cut short while it is read is an error") {
  test::TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "line " + std::to_string(i) + "\n";
  const auto path = folder.write("a", text);
  LineStream stream({path});
  static_cast<void>(stream.next());
  std::filesystem::resize_file(path, text.size() / 2);
  REQUIRE_ERROR(
      [&] {
        while (stream.next()) {
        }
      }(),
      "cloze.file.2");
}

TEST_CASE("lines refuse options and states that cannot be right") {
  test::TemporaryFolder folder;
  const auto path = folder.write("a", "one\ntwo\nthree\n");
  REQUIRE_ERROR(LineStream({path}, {.max_line_bytes = 63}), "cloze.stream.3");
  REQUIRE_ERROR(LineStream({path}, {.passes = -1}), "cloze.stream.3");
  REQUIRE_ERROR(LineStream({path}, {.open = nullptr}), "cloze.stream.3");
  REQUIRE_ERROR(DocumentStream({path}, {}, 0), "cloze.stream.3");
  LineStream stream({path});
  const auto good = stream.state();
  LineStream two({path, path});
  REQUIRE_ERROR(two.restore(good), "cloze.stream.2");
  auto state = good;
  state["file"] = 2;
  REQUIRE_ERROR(stream.restore(state), "cloze.stream.2");
  state = good;
  state["offset"] = 1000;
  stream.restore(state);
  REQUIRE_ERROR(stream.next(), "cloze.stream.5");
  state.erase("number");
  REQUIRE_ERROR(stream.restore(state), "cloze.json.2");
  REQUIRE_ERROR(stream.restore("text"), "cloze.json.2");
}

TEST_CASE("documents are lines up to a blank one, a file's end or the limit, and resume anywhere") {
  test::TemporaryFolder folder;
  const auto a = folder.write("a", "\n\na1\na2\n\n\nb1\n\nc1\nc2\nc3");
  const auto b = folder.write("b", "d1\n\n\ne1\ne2\ne3\ne4\ne5\n\n");
  const auto documents = [](DocumentStream stream) {
    Texts found;
    while (auto document = stream.next()) {
      std::string joined;
      for (const Line& line : *document) joined += line.text + " ";
      found.push_back(joined);
    }
    return found;
  };
  const Texts wanted{"a1 a2 ", "b1 ", "c1 c2 c3 ", "d1 ", "e1 e2 e3 e4 ", "e5 "};
  CHECK(documents(DocumentStream({a, b}, {}, 4)) == wanted);
  DocumentStream stream({a, b}, {}, 4);
  for (std::size_t used = 0; used <= wanted.size(); ++used) {
    DocumentStream again({a, b}, {}, 4);
    again.restore(stream.state());
    CHECK(documents(std::move(again)) == Texts(wanted.begin() + static_cast<std::ptrdiff_t>(used), wanted.end()));
    static_cast<void>(stream.next());
  }
}
