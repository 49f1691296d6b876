#include <cloze/core/content_hash.hpp>

#include <set>
#include <string>

#include "support/catch.hpp"

using namespace cloze;

namespace {

std::string hash_of(const std::string& text) {
  ContentHash hash;
  hash.add(std::as_bytes(std::span(text.data(), text.size())));
  return hash.hex();
}

}  // namespace

TEST_CASE("a content's hash does not depend on the pieces it comes in") {
  const std::string text = "What the sea wants, the sea will have.\0 and more";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    ContentHash parts;
    parts.add(std::as_bytes(std::span(text.data(), cut)));
    parts.add(std::as_bytes(std::span(text.data() + cut, text.size() - cut)));
    CHECK(parts.hex() == hash_of(text));
  }
  CHECK(hash_of(text).size() == 32);
}

TEST_CASE("different contents have different hashes: every length of zeros, every flipped bit, every text") {
  std::set<std::string> seen;
  for (std::size_t length = 0; length <= 64; ++length) CHECK(seen.insert(hash_of(std::string(length, '\0'))).second);
  std::string text(40, 'x');
  CHECK(seen.insert(hash_of(text)).second);
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    CHECK(seen.insert(hash_of(flipped)).second);
  }
  for (int i = 0; i < 20000; ++i) seen.insert(hash_of("text " + std::to_string(i)));
  CHECK(seen.size() == 65 + 1 + 320 + 20000);
}

TEST_CASE("texts that join to the same bytes are told apart, and numbers take eight bytes") {
  ContentHash a, b, c;
  a.add_text("ab");
  a.add_text("c");
  b.add_text("a");
  b.add_text("bc");
  CHECK(a.hex() != b.hex());
  c.add_number(1);
  CHECK(c.hex() == hash_of(std::string("\1\0\0\0\0\0\0\0", 8)));
}

TEST_CASE("the hash of a text stays the same from release to release, because files are named by it") {
  CHECK(hash_of("") == "e96c33001bf5c8fce7b95524f0ac156f");
  CHECK(hash_of("cloze") == "4189de9b0da78b10f6fd5884947d1d2b");
}
