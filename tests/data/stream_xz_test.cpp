// Built where CMake found liblzma and defines CLOZE_TEST_XZ; the header alone must compile without the library too.
#include <cloze/data/xz.hpp>

#ifdef CLOZE_TEST_XZ

#include <string>

#include <cloze/data/line_stream.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

std::string packed(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  REQUIRE(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()),
                                  text.size(), reinterpret_cast<std::uint8_t*>(out.data()), &size,
                                  out.size()) == LZMA_OK);
  out.resize(size);
  return out;
}

std::vector<std::string> rest(LineStream& stream) {
  std::vector<std::string> texts;
  while (auto line = stream.next()) texts.push_back(line->text);
  return texts;
}

std::string numbered(int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) text += "line number " + std::to_string(i * 7919 % 10007) + "\n";
  return text;
}

const LineStreamOptions from_xz{.open = open_plain_or_xz};

}  // namespace

TEST_CASE("an xz file gives the lines of the file that was packed, in one part or several") {
  test::TemporaryFolder folder;
  const std::string text = numbered(60000);
  LineStream plain({folder.write("plain", text)}, from_xz);
  const auto wanted = rest(plain);
  LineStream one({folder.write("one.xz", packed(text))}, from_xz);
  CHECK(rest(one) == wanted);
  const auto half = text.find('\n', text.size() / 2) + 1;
  LineStream parts({folder.write("parts.xz", packed(text.substr(0, half)) + packed("") + packed(text.substr(half)))},
                   {.open = open_xz});
  CHECK(rest(parts) == wanted);
}

TEST_CASE("an xz stream resumes behind any line") {
  test::TemporaryFolder folder;
  const auto path = folder.write("a.xz", packed(numbered(40))), other = folder.write("b", "between\n");
  LineStream whole({path, other, path}, from_xz);
  const auto all = rest(whole);
  LineStream stream({path, other, path}, from_xz);
  for (std::size_t used = 0; used <= all.size(); ++used) {
    LineStream again({path, other, path}, from_xz);
    again.restore(stream.state());
    REQUIRE(rest(again) == std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(used), all.end()));
    static_cast<void>(stream.next());
  }
}

TEST_CASE("a damaged, shortened or foreign xz file is an error") {
  test::TemporaryFolder folder;
  const std::string good = packed(numbered(5000));
  const auto read = [&](const std::string& bytes) {
    LineStream stream({folder.write("bad.xz", bytes)}, {.open = open_xz});
    return rest(stream);
  };
  for (const std::size_t size : {std::size_t{1}, std::size_t{11}, good.size() / 2, good.size() - 1})
    REQUIRE_ERROR(read(good.substr(0, size)), "cloze.xz.1");
  for (const std::size_t at : {std::size_t{0}, std::size_t{8}, good.size() / 2, good.size() - 3}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    REQUIRE_ERROR(read(bad), "cloze.xz.1");
  }
  REQUIRE_ERROR(read("plain text\n"), "cloze.xz.1");
  REQUIRE_ERROR(read(good + "rubbish"), "cloze.xz.1");
  REQUIRE_ERROR(open_xz(folder.path() / "absent", 0), "cloze.file.1");
  REQUIRE_ERROR(open_xz(folder.write("a.xz", packed("short")), 6), "cloze.stream.5");
  CHECK(open_xz(folder.write("a.xz", packed("short")), 5) != nullptr);
}

TEST_CASE("the shared corpora have the lines that their list says") {
  CLOZE_SHARED_OR_SKIP(path, "data/corpus/product_reviews_blitzer.txt.xz");
  LineStream stream({path}, {.open = open_xz});
  std::size_t lines = 0, bytes = 0;
  while (auto line = stream.next()) {
    ++lines;
    bytes += line->text.size() + 1;
  }
  CHECK(lines == 17519);
  CHECK(bytes == 5848274);
}

#endif
