#include <cloze/batch/objectives/next_sentence.hpp>

#include <cmath>
#include <map>

#include <cloze/batch/objectives/masked_lm.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

constexpr TokenId cls{1}, sep{2};

/// Documents whose tokens tell where they are from: document d, sentence s, token t is 100000 d + 100 s + t + 1000.
std::vector<TokenDocument> corpus(int documents, int sentences, Rng& rng, int longest = 20) {
  std::vector<TokenDocument> made;
  for (int d = 0; d < documents; ++d) {
    TokenDocument document;
    for (int s = 0; s < sentences; ++s) {
      std::vector<TokenId> sentence;
      const auto tokens = 1 + static_cast<int>(rng.below(static_cast<std::uint64_t>(longest)));
      for (int t = 0; t < tokens; ++t) sentence.push_back(TokenId{100000 * d + 100 * s + t + 1000});
      document.push_back(sentence);
    }
    made.push_back(document);
  }
  return made;
}

struct Parts {
  std::vector<Index> first, second;  // token values
};

/// Takes a pair apart and checks its form on the way.
Parts parts(const LmExample& pair, Index max_length) {
  const auto& ids = pair.prompt.ids;
  REQUIRE(static_cast<Index>(ids.size()) <= max_length);
  REQUIRE(ids.front() == cls);
  REQUIRE(ids.back() == sep);
  REQUIRE(pair.prompt.segments.size() == ids.size());
  REQUIRE(pair.label.has_value());
  Parts found;
  int seps = 0;
  for (std::size_t i = 1; i < ids.size(); ++i) {
    REQUIRE(pair.prompt.segments[i] == (seps == 0 ? 0 : 1));
    if (ids[i] == sep) {
      ++seps;
    } else {
      (seps == 0 ? found.first : found.second).push_back(value(ids[i]));
    }
  }
  REQUIRE(seps == 2);
  REQUIRE(!found.first.empty());
  REQUIRE(!found.second.empty());
  return found;
}

Index document_of(Index token) { return (token - 1000) / 100000; }

}  // namespace

TEST_CASE("half of the next sentences are from another document, the others follow") {
  Rng rng(1);
  const auto documents = corpus(40, 80, rng);
  double pairs = 0, random = 0;
  for (Index d = 0; d < 40; ++d) {
    for (const LmExample& pair : next_sentence_pairs(documents, d, {.cls = cls, .sep = sep}, rng)) {
      const Parts found = parts(pair, 128);
      for (const Index token : found.first) REQUIRE(document_of(token) == d);
      const bool other = document_of(found.second.front()) != d;
      for (const Index token : found.second) REQUIRE(document_of(token) == document_of(found.second.front()));
      REQUIRE(*pair.label == (other ? does_not_follow : follows));
      if (!other) REQUIRE(found.first.back() < found.second.front());
      ++pairs;
      random += other;
    }
  }
  // A chunk of one sentence always gets a random next, so a little more than half.
  CHECK(pairs > 300);
  CHECK(random / pairs > 0.5 - 5 * std::sqrt(0.25 / pairs));
  CHECK(random / pairs < 0.6);
}

TEST_CASE("no sentence of a document is lost, and displaced ones begin the next pair") {
  Rng rng(2);
  // Long enough that nothing is truncated: 60 tokens aimed at, sentences of 5.
  std::vector<TokenDocument> documents(3);
  for (int d = 0; d < 3; ++d)
    for (int s = 0; s < 50; ++s) {
      std::vector<TokenId> sentence;
      for (int t = 0; t < 5; ++t) sentence.push_back(TokenId{100000 * d + 100 * s + t + 1000});
      documents[static_cast<std::size_t>(d)].push_back(sentence);
    }
  std::vector<Index> seen;
  for (const LmExample& pair :
       next_sentence_pairs(documents, 1, {.cls = cls, .sep = sep, .max_length = 63, .short_probability = 0}, rng)) {
    const Parts found = parts(pair, 63);
    seen.insert(seen.end(), found.first.begin(), found.first.end());
    if (*pair.label == follows) seen.insert(seen.end(), found.second.begin(), found.second.end());
  }
  std::vector<Index> wanted;
  for (const auto& sentence : documents[1])
    for (const TokenId id : sentence) wanted.push_back(value(id));
  CHECK(seen == wanted);
}

TEST_CASE("pairs are as long as they may be, but for the share that aims at less") {
  Rng rng(3);
  const auto documents = corpus(400, 60, rng, 8);
  double all = 0, full = 0;
  for (Index d = 0; d < 400; ++d) {
    const auto pairs =
        next_sentence_pairs(documents, d, {.cls = cls, .sep = sep, .max_length = 64, .short_probability = 0.2}, rng);
    // The first pair of a document tells what it aimed at: full ones reach the limit or a sentence less.
    ++all;
    full += pairs.front().prompt.ids.size() >= 64 - 8;
  }
  // A random length in [2, 61] is at least 56 in one of ten.
  CHECK(std::abs(full / all - 0.82) < 5 * std::sqrt(0.82 * 0.18 / all));
}

TEST_CASE("sentence order pairs are neighbours, and half of them are swapped") {
  Rng rng(4);
  const auto documents = corpus(60, 60, rng);
  double pairs = 0, swapped = 0;
  for (const TokenDocument& document : documents) {
    for (const LmExample& pair : sentence_order_pairs(document, {.cls = cls, .sep = sep}, rng)) {
      const Parts found = parts(pair, 128);
      REQUIRE(document_of(found.first.front()) == document_of(found.second.front()));
      const bool in_order = found.first.back() < found.second.front();
      REQUIRE(*pair.label == (in_order ? follows : does_not_follow));
      ++pairs;
      swapped += !in_order;
    }
  }
  CHECK(std::abs(swapped / pairs - 0.5) < 5 * std::sqrt(0.25 / pairs));
  CHECK(sentence_order_pairs({{TokenId{5}}}, {.cls = cls, .sep = sep}, rng).empty());
}

TEST_CASE("a sentence longer than the limit is cut to fit") {
  Rng rng(5);
  const std::vector<TokenDocument> documents{{std::vector<TokenId>(1000, TokenId{7})},
                                             {std::vector<TokenId>(500, TokenId{8})}};
  const auto pairs = next_sentence_pairs(documents, 0, {.cls = cls, .sep = sep, .max_length = 16}, rng);
  REQUIRE(pairs.size() == 1);
  CHECK(pairs[0].prompt.ids.size() == 16);
  const Parts found = parts(pairs[0], 16);
  CHECK(std::abs(static_cast<int>(found.first.size()) - static_cast<int>(found.second.size())) <= 1);
  CHECK(parts(next_sentence_pairs(documents, 1, {.cls = cls, .sep = sep, .max_length = 5}, rng)[0], 5).first.size() ==
        1);
}

TEST_CASE("pairs are repeatable, and masking keeps their label and segments") {
  Rng make(6);
  const auto documents = corpus(5, 30, make);
  Rng one(7), two(7);
  const auto first = next_sentence_pairs(documents, 2, {.cls = cls, .sep = sep}, one);
  const auto second = next_sentence_pairs(documents, 2, {.cls = cls, .sep = sep}, two);
  REQUIRE(first.size() == second.size());
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(first[i].prompt.ids == second[i].prompt.ids);
  const MaskedLm objective({.mask = TokenId{3}, .vocab_size = 600000, .special = {cls, sep}});
  const LmExample masked = objective(first[0], one);
  CHECK(masked.label == first[0].label);
  CHECK(masked.prompt.segments == first[0].prompt.segments);
  CHECK(!masked.targets.empty());
}

TEST_CASE("sentence pairs refuse what cannot be right") {
  Rng rng(1);
  const std::vector<TokenDocument> two{{{TokenId{5}}}, {{TokenId{6}}}};
  const SentencePairOptions good{.cls = cls, .sep = sep};
  REQUIRE_ERROR(next_sentence_pairs(std::span(two).first(1), 0, good, rng), "cloze.sentence_pair.3");
  REQUIRE_ERROR(next_sentence_pairs(two, 2, good, rng), "cloze.sentence_pair.3");
  REQUIRE_ERROR(next_sentence_pairs(two, -1, good, rng), "cloze.sentence_pair.3");
  REQUIRE_ERROR(next_sentence_pairs(two, 0, {.cls = cls, .sep = sep, .max_length = 4}, rng), "cloze.sentence_pair.1");
  REQUIRE_ERROR(next_sentence_pairs(two, 0, {.cls = cls, .sep = sep, .short_probability = 2}, rng),
                "cloze.sentence_pair.1");
  REQUIRE_ERROR(next_sentence_pairs(two, 0, {.cls = cls, .sep = sep, .false_probability = -1}, rng),
                "cloze.sentence_pair.1");
  REQUIRE_ERROR(sentence_order_pairs({}, good, rng), "cloze.sentence_pair.2");
  REQUIRE_ERROR(sentence_order_pairs({{}}, good, rng), "cloze.sentence_pair.2");
  const std::vector<TokenDocument> hollow{{{TokenId{5}}}, {}};
  REQUIRE_ERROR(next_sentence_pairs(hollow, 0, good, rng), "cloze.sentence_pair.2");
}
