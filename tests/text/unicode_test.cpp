// Every code point against what Hugging Face tokenizers does with it (tests/golden/make_unicode_tables.py).
#include <cloze/text/unicode.hpp>

#include <filesystem>

#include <cloze/core/json.hpp>
#include <cloze/text/decoder.hpp>
#include <cloze/text/normalizer.hpp>

#include "support/catch.hpp"

using namespace cloze;
using namespace cloze::detail::text;

namespace {

nlohmann::json golden() {
  return read_json(std::filesystem::path(__FILE__).parent_path() / "data" / "unicode_classes.json");
}

template <class Visit>
void each_point(Visit&& visit) {
  for (char32_t point = 0; point < 0x110000; ++point) {
    if (point < 0xD800 || point > 0xDFFF) visit(point);
  }
}

/// Code points whose class differs from the golden ranges.
template <class Is>
std::size_t differences(const nlohmann::json& ranges, Is&& is) {
  REQUIRE(ranges.size() > 1);
  std::vector<bool> wanted(0x110000, false);
  for (const nlohmann::json& range : ranges) {
    for (std::size_t point = range[0]; point <= range[1].get<std::size_t>(); ++point) wanted[point] = true;
  }
  std::size_t count = 0;
  each_point([&](char32_t point) { count += is(point) != wanted[point] ? 1 : 0; });
  return count;
}

/// FNV-1a over every code point's normalised form and a zero byte each.
std::string digest(const NormalizerStep& step) {
  std::uint64_t hash = 0xCBF29CE484222325ull;
  NormalizedText text;
  std::string one;
  each_point([&](char32_t point) {
    one.clear();
    append_utf8(one, point);
    text.assign(one, false);
    step.apply(text);
    for (const char byte : to_utf8(text.points()) + '\0')
      hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3ull;
  });
  return fmt::format("{:016x}", hash);
}

}  // namespace

TEST_CASE("every code point has the classes that tokenizers gives it") {
  const nlohmann::json wanted = golden();
  CHECK(differences(wanted.at("letter"), is_letter) == 0);
  CHECK(differences(wanted.at("number"), is_number) == 0);
  CHECK(differences(wanted.at("word"), is_word) == 0);
  CHECK(differences(wanted.at("space"), is_space) == 0);
  CHECK(differences(wanted.at("punctuation"), is_punctuation) == 0);
  CHECK(differences(wanted.at("mark"), is_mark) == 0);
  CHECK(differences(wanted.at("control"), is_control) == 0);
  CHECK(differences(wanted.at("cjk"), is_cjk) == 0);
}

TEST_CASE("every code point has the lower case and the normal forms that tokenizers gives it") {
  const nlohmann::json wanted = golden().at("hashes");
  CHECK(digest(Lowercase()) == wanted.at("lower").get<std::string>());
  CHECK(digest(UnicodeForm({false, false})) == wanted.at("nfd").get<std::string>());
  CHECK(digest(UnicodeForm({false, true})) == wanted.at("nfc").get<std::string>());
  CHECK(digest(UnicodeForm({true, false})) == wanted.at("nfkd").get<std::string>());
  CHECK(digest(UnicodeForm({true, true})) == wanted.at("nfkc").get<std::string>());
  BertNormalizer clean, strip;
  clean.handle_chinese_chars = clean.strip_accents = clean.lowercase = false;
  strip.clean_text = strip.handle_chinese_chars = strip.lowercase = false;
  CHECK(digest(clean) == wanted.at("clean").get<std::string>());
  CHECK(digest(strip) == wanted.at("strip_accents").get<std::string>());
}

TEST_CASE("UTF-8 of every code point reads back as that code point") {
  std::size_t wrong = 0;
  each_point([&](char32_t point) {
    std::string bytes;
    append_utf8(bytes, point);
    const Decoded read = decode_point(bytes, 0);
    wrong += read.point == point && read.bytes == static_cast<int>(bytes.size()) ? 0 : 1;
  });
  CHECK(wrong == 0);
}

TEST_CASE("broken UTF-8 is an error that names the byte") {
  using namespace std::string_literals;
  // Stray continuation, overlong, surrogate, beyond U+10FFFF, cut short, bytes that never occur.
  for (const std::string& bad :
       {"\x80"s, "\xC0\x80"s, "\xC1\xBF"s, "\xE0\x9F\xBF"s, "\xED\xA0\x80"s, "\xF0\x8F\xBF\xBF"s, "\xF4\x90\x80\x80"s,
        "\xF5\x80\x80\x80"s, "\xE2\x82"s, "\xC3"s, "\xF0\x9F\x99"s, "\xFF"s, "\xC3\x28"s, "\xE2\x28\xA1"s}) {
    REQUIRE_ERROR(to_points("ab" + bad), "cloze.text.1");
    CHECK_THROWS_WITH(to_points("ab" + bad), Catch::Contains("byte 2 of"));
    CHECK(to_valid_utf8("ab" + bad).substr(0, 5) == "ab\xEF\xBF\xBD");
  }
  CHECK(to_points("a\0b"s).size() == 3);
  CHECK(to_points("").empty());
}
