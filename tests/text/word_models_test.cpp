// The three word models against plain implementations of their definitions, on small random vocabularies.
#include <cloze/text/bpe.hpp>
#include <cloze/text/unigram.hpp>
#include <cloze/text/vocabulary.hpp>
#include <cloze/text/wordpiece.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "support/catch.hpp"

using namespace cloze;
using namespace cloze::detail::text;

namespace {

Vocabulary make_vocabulary(const std::vector<std::string>& tokens) {
  Vocabulary vocabulary;
  for (std::size_t id = 0; id < tokens.size(); ++id) vocabulary.add(tokens[id], static_cast<std::int64_t>(id), "test");
  return vocabulary;
}

template <class Model>
std::vector<std::string> pieces(const Model& model, const Vocabulary& vocabulary, std::string_view word) {
  std::vector<WordToken> tokens;
  model.encode(word, tokens);
  std::vector<std::string> spelled;
  std::size_t at = 0;
  for (const WordToken& token : tokens) {
    REQUIRE(token.begin == at);  // tokens lie end to end and cover the word
    at = token.end;
    spelled.emplace_back(vocabulary.token(token.id));
  }
  REQUIRE(at == word.size());
  return spelled;
}

std::string random_word(std::mt19937& random, std::size_t size, int letters) {
  std::string word;
  for (std::size_t i = 0; i < size; ++i)
    word += static_cast<char>('a' + static_cast<int>(random() % static_cast<unsigned>(letters)));
  return word;
}

struct RandomBpe {
  std::vector<std::string> tokens{"a", "b", "c"};
  std::vector<std::pair<std::string, std::string>> merges;

  explicit RandomBpe(unsigned seed) {
    std::mt19937 random(seed);
    std::set<std::string> known(tokens.begin(), tokens.end());
    while (merges.size() < 25) {
      const std::string first = tokens[random() % tokens.size()];
      const std::string second = tokens[random() % tokens.size()];
      if (std::find(merges.begin(), merges.end(), std::pair(first, second)) != merges.end()) continue;
      merges.emplace_back(first, second);
      if (known.insert(first + second).second) tokens.push_back(first + second);
    }
    std::shuffle(merges.begin(), merges.end(), random);  // ranks in any order, as no training would give
  }

  /// The definition: join the leftmost pair of the lowest rank until there is none.
  std::vector<std::string> encode(std::string_view word) const {
    std::vector<std::string> parts;
    for (const char c : word) parts.emplace_back(1, c);
    for (;;) {
      std::size_t best_rank = merges.size();
      std::size_t best = 0;
      for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto rank = static_cast<std::size_t>(
            std::find(merges.begin(), merges.end(), std::pair(parts[i], parts[i + 1])) - merges.begin());
        if (rank < best_rank) {
          best_rank = rank;
          best = i;
        }
      }
      if (best_rank == merges.size()) return parts;
      parts[best] += parts[best + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
  }
};

}  // namespace

TEST_CASE("byte-level BPE joins the leftmost pair of the lowest rank, in words of every length") {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    const RandomBpe reference(seed);
    const Vocabulary vocabulary = make_vocabulary(reference.tokens);
    ByteLevelBpe::Merges merges(reference.merges.begin(), reference.merges.end());
    const ByteLevelBpe bpe(vocabulary, merges, false, "test");
    std::mt19937 random(seed);
    // 40 is the cache's longest word, 48 the last that is scanned, 49 the first that goes through the heap.
    for (const std::size_t size : {0, 1, 2, 3, 16, 39, 40, 41, 47, 48, 49, 50, 200}) {
      for (int repeat = 0; repeat < 8; ++repeat) {
        const std::string word = random_word(random, size, 2 + repeat % 2);
        const auto wanted = reference.encode(word);
        CHECK(pieces(bpe, vocabulary, word) == wanted);
        CHECK(pieces(bpe, vocabulary, word) == wanted);  // now from the cache
      }
    }
  }
}

TEST_CASE("byte-level BPE takes a word of a million bytes") {
  const Vocabulary vocabulary = make_vocabulary({"a", "aa", "aaaa"});
  const ByteLevelBpe bpe(vocabulary, {{"a", "a"}, {"aa", "aa"}}, false, "test");
  std::vector<WordToken> tokens;
  bpe.encode(std::string(1'000'003, 'a'), tokens);
  REQUIRE(tokens.size() == 250'002);
  CHECK(tokens[0].id == TokenId{2});
  CHECK(tokens[250'000].id == TokenId{1});
  CHECK(tokens[250'001].id == TokenId{0});
}

TEST_CASE("two models on one thread do not see each other's cached words") {
  const Vocabulary vocabulary = make_vocabulary({"a", "b", "ab"});
  const ByteLevelBpe joins(vocabulary, {{"a", "b"}}, false, "test");
  const ByteLevelBpe splits(vocabulary, {}, false, "test");
  for (int i = 0; i < 3; ++i) {
    CHECK(pieces(joins, vocabulary, "ab").size() == 1);
    CHECK(pieces(splits, vocabulary, "ab").size() == 2);
  }
}

TEST_CASE("byte-level BPE refuses merges and bytes that its vocabulary has not") {
  const Vocabulary vocabulary = make_vocabulary({"a", "b", "ab"});
  REQUIRE_ERROR(ByteLevelBpe(vocabulary, {{"a", "c"}}, false, "test"), "cloze.text.8");
  REQUIRE_ERROR(ByteLevelBpe(vocabulary, {{"b", "a"}}, false, "test"), "cloze.text.8");
  const ByteLevelBpe bpe(vocabulary, {{"a", "b"}}, false, "test");
  std::vector<WordToken> tokens;
  REQUIRE_ERROR(bpe.encode("abc", tokens), "cloze.text.9");
}

TEST_CASE("bytes and their printable symbols map one to one") {
  std::set<char32_t> symbols;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t symbol = byte_symbols()[static_cast<std::size_t>(byte)];
    symbols.insert(symbol);
    CHECK(symbol_byte(symbol) == byte);
  }
  CHECK(symbols.size() == 256);
  CHECK(byte_symbols()[' '] == U'\u0120');
  CHECK(symbol_byte(U' ') == -1);
  CHECK(symbol_byte(0x10FFFF) == -1);
}

TEST_CASE("WordPiece takes the longest piece each time and gives up on the whole word") {
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    std::set<std::string> known{"[UNK]", "a", "b", "##a"};
    for (int i = 0; i < 15; ++i) known.insert((random() % 2 ? "##" : "") + random_word(random, 1 + random() % 5, 2));
    if (round % 2 == 0) known.insert("##b");
    known.insert("##" + random_word(random, 70, 2));  // longer than one block of prefixes
    const Vocabulary vocabulary = make_vocabulary({known.begin(), known.end()});
    const WordPiece model(vocabulary, WordPieceOptions{}, "test");
    const auto reference = [&](const std::string& word) {
      std::vector<std::string> parts;
      for (std::size_t at = 0; at < word.size();) {
        std::size_t end = word.size();
        while (end > at && !known.contains((at > 0 ? "##" : "") + word.substr(at, end - at))) --end;
        if (end == at) return std::vector<std::string>{"[UNK]"};
        parts.push_back((at > 0 ? "##" : "") + word.substr(at, end - at));
        at = end;
      }
      return parts;
    };
    for (const std::size_t size : {1, 3, 16, 64, 65, 99, 100}) {
      const std::string word = random_word(random, size, 2);
      CHECK(pieces(model, vocabulary, word) == reference(word));
    }
    CHECK(pieces(model, vocabulary, random_word(random, 101, 2)) == std::vector<std::string>{"[UNK]"});
  }
}

TEST_CASE("WordPiece counts code points, not bytes, and needs its unknown token") {
  const Vocabulary vocabulary = make_vocabulary({"[UNK]", "é", "##é"});
  const WordPiece model(vocabulary, WordPieceOptions{}, "test");
  std::string word;
  for (int i = 0; i < 100; ++i) word += "é";
  CHECK(pieces(model, vocabulary, word).size() == 100);
  CHECK(pieces(model, vocabulary, word + "é").size() == 1);
  REQUIRE_ERROR(WordPiece(make_vocabulary({"a"}), WordPieceOptions{}, "test"), "cloze.text.7");
}

TEST_CASE("Unigram finds the segmentation of the highest score") {
  std::mt19937 random(9);
  for (int round = 0; round < 20; ++round) {
    std::map<std::string, double> scores{{"a", -3.1}, {"b", -4.7}};
    for (int i = 0; i < 12; ++i)
      scores.emplace(random_word(random, 1 + random() % 4, 2), -1.0 - static_cast<double>(random() % 100'003) * 1e-4);
    std::vector<std::string> tokens{"<unk>"};
    std::vector<double> values{-50};
    for (const auto& [piece, score] : scores) {
      tokens.push_back(piece);
      values.push_back(score);
    }
    const Vocabulary vocabulary = make_vocabulary(tokens);
    const Unigram model(vocabulary, values, 0, false, "test");
    const std::string word = random_word(random, 12, 2);
    double best = -1e300;
    std::vector<std::string> wanted;
    std::vector<std::string> parts;
    const std::function<void(std::size_t, double)> walk = [&](std::size_t at, double score) {
      if (at == word.size()) {
        if (score > best) {
          best = score;
          wanted = parts;
        }
        return;
      }
      for (std::size_t size = 1; at + size <= word.size(); ++size) {
        const auto found = scores.find(word.substr(at, size));
        if (found == scores.end()) continue;
        parts.push_back(found->first);
        walk(at + size, score + found->second);
        parts.pop_back();
      }
    };
    walk(0, 0);
    CHECK(pieces(model, vocabulary, word) == wanted);
  }
}

TEST_CASE("Unigram joins unknown neighbours into one token") {
  const Vocabulary vocabulary = make_vocabulary({"<unk>", "a"});
  const Unigram model(vocabulary, {0, -1}, 0, false, "test");
  CHECK(pieces(model, vocabulary, "axéya") == std::vector<std::string>{"a", "<unk>", "a"});
  CHECK(pieces(model, vocabulary, "").empty());
  REQUIRE_ERROR(Unigram(vocabulary, {0, -1}, 2, false, "test"), "cloze.text.7");
  REQUIRE_ERROR(Unigram(vocabulary, {0, -1}, -1, false, "test"), "cloze.text.7");
}

TEST_CASE("a vocabulary refuses a token or an id given twice, ids out of range, and many missing ones") {
  Vocabulary vocabulary;
  REQUIRE_ERROR(vocabulary.check("test"), "cloze.text.3");
  vocabulary.add("a", 0, "test");
  REQUIRE_ERROR(vocabulary.add("a", 1, "test"), "cloze.text.2");
  REQUIRE_ERROR(vocabulary.add("b", 0, "test"), "cloze.text.2");
  REQUIRE_ERROR(vocabulary.add("b", -1, "test"), "cloze.text.2");
  REQUIRE_ERROR(vocabulary.add("b", std::int64_t{1} << 40, "test"), "cloze.text.2");
  vocabulary.add("b", 9, "test");
  vocabulary.check("test");  // eight ids without a token are borne
  CHECK(vocabulary.size() == 10);
  CHECK_FALSE(vocabulary.find("c").has_value());
  REQUIRE_ERROR(vocabulary.token(TokenId{5}), "cloze.text.4");
  REQUIRE_ERROR(vocabulary.token(TokenId{10}), "cloze.text.4");
  REQUIRE_ERROR(vocabulary.token(TokenId{-1}), "cloze.text.4");
  vocabulary.add("c", 11, "test");
  REQUIRE_ERROR(vocabulary.check("test"), "cloze.text.3");
}
