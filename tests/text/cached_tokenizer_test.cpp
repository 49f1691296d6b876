#include <cloze/text/cached_tokenizer.hpp>

#include <map>
#include <string>
#include <thread>

#include "support/catch.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;

namespace {

// Counts how often each text is encoded.
struct CountingTokenizer : test::ToyTokenizer {
  std::map<std::string, int>* counts;
  explicit CountingTokenizer(std::map<std::string, int>& counted) : counts(&counted) {}
  std::vector<TokenId> encode(std::string_view text) const {
    ++(*counts)[std::string(text)];
    return test::ToyTokenizer::encode(text);
  }
};

}  // namespace

TEST_CASE("a text is tokenised once, and copies remember together") {
  std::map<std::string, int> counts;
  const CachedTokenizer<CountingTokenizer> tokenizer{CountingTokenizer(counts)};
  const auto copy = tokenizer;
  const auto first = tokenizer.encode("a fine day");
  for (int i = 0; i < 5; ++i) CHECK(copy.encode("a fine day") == first);
  CHECK(tokenizer.encode("").empty());
  CHECK(tokenizer.encode("").empty());
  CHECK(counts == std::map<std::string, int>{{"a fine day", 1}, {"", 1}});
  CHECK(tokenizer.special() == tokenizer.inner().special());
  CHECK(tokenizer.find(" fine") == tokenizer.inner().find(" fine"));
  CHECK(tokenizer.decode(first) == "a fine day");
  CHECK(tokenizer.token(first[1]) == " fine");
  CHECK(tokenizer.vocab_size() == 1000);
  CHECK(tokenizer.word_prefix() == " ");
}

TEST_CASE("the last texts are remembered, however many there were, and memory stays bounded") {
  std::map<std::string, int> counts;
  const CachedTokenizer<CountingTokenizer> tokenizer{CountingTokenizer(counts), 3};
  for (const char* text : {"a", "b", "c", "d", "c", "b", "d"}) tokenizer.encode(text);
  CHECK(counts == std::map<std::string, int>{{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}});
  for (int i = 0; i < 100; ++i) tokenizer.encode("x" + std::to_string(i));
  tokenizer.encode("x99");
  tokenizer.encode("x98");
  CHECK(counts["x99"] == 1);
  CHECK(counts["x98"] == 1);
  tokenizer.encode("a");
  CHECK(counts["a"] == 2);
  REQUIRE_ERROR((CachedTokenizer<test::ToyTokenizer>{test::ToyTokenizer(), 0}), "cloze.cached_tokenizer.1");
}

TEST_CASE("many threads may ask at once") {
  // The toy hands out ids in order of first use; all are given out before the threads start.
  const test::ToyTokenizer toy;
  std::vector<std::string> texts;
  std::vector<std::vector<TokenId>> wanted;
  for (int i = 0; i < 50; ++i) {
    texts.push_back("word" + std::to_string(i) + " and");
    wanted.push_back(toy.encode(texts.back()));
  }
  const CachedTokenizer<test::ToyTokenizer> tokenizer{toy, 8};
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 500; ++i)
        wrong[t] += tokenizer.encode(texts[(i * (t + 1)) % 50]) != wanted[(i * (t + 1)) % 50];
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}
