#include <cloze/methods/pretraining_pairs.hpp>

#include <cloze/data/list_stream.hpp>
#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

namespace {

// Documents whose tokens tell where they come from: 100 * document + sentence.
std::vector<TokenDocument> documents(int count, int sentences) {
  std::vector<TokenDocument> all;
  for (int d = 0; d < count; ++d) {
    TokenDocument document;
    for (int s = 0; s < sentences; ++s)
      document.push_back(std::vector<TokenId>(3, TokenId{static_cast<std::int32_t>(100 * (d + 1) + s)}));
    all.push_back(document);
  }
  return all;
}

constexpr SentencePairOptions options{.cls = TokenId{2}, .sep = TokenId{3}, .max_length = 30};

auto pairs(PairTask task, Index window = 4, Index passes = 1) {
  return SentencePairStream(ListStream(documents(8, 6), passes), task, options, window, Rng(3));
}

}  // namespace

TEST_CASE("next-sentence pairs follow in one document, or come from two of one window") {
  auto stream = pairs(PairTask::next_sentence, 4, 50);
  int following = 0, all = 0;
  while (const auto pair = stream.next()) {
    const auto& ids = pair->prompt.ids;
    REQUIRE(pair->label.has_value());
    const auto first = value(ids[1]), last = value(ids[ids.size() - 2]);
    const bool one_document = first / 100 == last / 100;
    CHECK(one_document == (*pair->label == follows));
    CHECK((first / 100 - 1) / 4 == (last / 100 - 1) / 4);
    following += one_document;
    ++all;
  }
  CHECK(all > 500);
  CHECK(following > all / 4);
  CHECK(following < 3 * all / 4);
}

TEST_CASE("sentence-order pairs are neighbours, in order or swapped") {
  auto stream = pairs(PairTask::sentence_order, 2, 50);
  int swapped = 0, all = 0;
  while (const auto pair = stream.next()) {
    const auto& ids = pair->prompt.ids;
    CHECK((value(ids[1]) < value(ids[ids.size() - 2])) == (*pair->label == follows));
    swapped += *pair->label == does_not_follow;
    ++all;
  }
  CHECK(std::abs(swapped - all / 2) < 5 * std::sqrt(all) / 2);
}

TEST_CASE("a stream of pairs goes on from any place") {
  std::vector<LmExample> all;
  for (auto stream = pairs(PairTask::next_sentence); const auto pair = stream.next();) all.push_back(*pair);
  REQUIRE(all.size() > 8);
  for (std::size_t used = 0; used <= all.size(); ++used) {
    auto first = pairs(PairTask::next_sentence), second = pairs(PairTask::next_sentence);
    for (std::size_t i = 0; i < used; ++i) first.next();
    second.restore(nlohmann::json::parse(first.state().dump()));
    for (std::size_t i = used; i < all.size(); ++i) REQUIRE(second.next()->prompt.ids == all[i].prompt.ids);
    REQUIRE(!second.next());
  }
  auto other = pairs(PairTask::next_sentence, 5);
  REQUIRE_ERROR(other.restore(pairs(PairTask::next_sentence).state()), "cloze.stream.2");
  REQUIRE_ERROR(pairs(PairTask::next_sentence, 1), "cloze.stream.3");
}

TEST_CASE("a document that is left alone at the end makes no next-sentence pair, and is no error") {
  const auto count = [](int all) {
    auto stream = SentencePairStream(ListStream(documents(all, 6), 1), PairTask::next_sentence, options, 4, Rng(3));
    int pairs = 0;
    while (stream.next()) ++pairs;
    return pairs;
  };
  CHECK(count(9) == count(8));
  CHECK(count(1) == 0);
  CHECK(count(10) > count(8));
}

TEST_CASE("documents of one line make no pair in order, which is an error and not an endless search") {
  auto stream = SentencePairStream(ListStream(documents(9, 1), 0), PairTask::sentence_order, options, 3, Rng(1));
  REQUIRE_ERROR(stream.next(), "cloze.sentence_pair.4");
}

TEST_CASE("pairs are made of files, documents at blank lines, without the held-out lines") {
  const test::TemporaryFolder folder;
  test::write_tiny_task_model(folder.path());
  const auto tokenizer = Tokenizer::from_pretrained(folder.path());
  const auto tokens = PretrainingTokens::of(tokenizer, test::tiny_vocab);
  std::string text;
  for (int i = 0; i < 60; ++i) text += std::string(i < 30 ? "sun warm\n" : "rain cold\n") + (i % 5 == 4 ? "\n" : "");
  const Corpus corpus{.name = "c", .files = {folder.write("c.txt", text)}, .held_out = {.every = 0}};
  auto stream = pair_examples(corpus, tokenizer, tokens, PairTask::sentence_order, {.sequence = 12}, Rng(1));
  for (int i = 0; i < 100; ++i) {
    const std::string words = tokenizer.decode(stream.next()->prompt.ids);
    CHECK((words.find("sun") == words.npos || words.find("rain") == words.npos));
  }
}
