#include <cloze/prompt/label_words.hpp>

#include <set>

#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"

using namespace cloze;

TEST_CASE("the words of RoBERTa's vocabulary are entries with a leading space that read back as themselves") {
  CLOZE_SHARED_OR_SKIP(folder, "data/tokenizers/roberta-base");
  const auto tokenizer = Tokenizer::from_pretrained(folder);
  const auto words = vocabulary_words(tokenizer);
  // The original's list, counted here straight from the vocabulary: three ids have no token.
  std::set<Index> marked;
  for (Index id = 0; id < tokenizer.vocab_size(); ++id) try {
      if (tokenizer.token(static_cast<TokenId>(id)).starts_with("\u0120")) marked.insert(id);
    } catch (const Error&) {
    }
  const auto compat = vocabulary_words(tokenizer, {.lmbff_compat = true});
  CHECK(compat.size() == marked.size());
  CHECK(words.size() < compat.size());
  CHECK(words.size() > compat.size() - 200);  // left out: lone bytes, a lone space, " ." and the like
  for (const VocabularyWord& word : words) {
    CHECK(marked.contains(value(word.id)));
    if (WordVerbalizer::find_word(tokenizer, word.text) != std::vector{word.id}) FAIL("word " << word.text);
  }
  const auto great = std::ranges::find(words, *tokenizer.find("\u0120great"), &VocabularyWord::id);
  REQUIRE(great != words.end());
  CHECK(great->text == "great");
  const auto letters = vocabulary_words(tokenizer, {.least_letters = 2});
  for (const VocabularyWord& word : letters) CHECK(detail::count_letters(word.text) >= 2);
}

TEST_CASE("letters are counted by code point, whatever the script") {
  CHECK(detail::count_letters("") == 0);
  CHECK(detail::count_letters("a1-b") == 2);
  CHECK(detail::count_letters("\u00e9t\u00e9") == 3);
  CHECK(detail::count_letters("\u4e2d\u6587!") == 2);
  CHECK(detail::count_letters("12.5") == 0);
}

TEST_CASE("words that were found are given to their labels") {
  const std::vector<VocabularyWord> words{{TokenId{4}, "bad"}, {TokenId{9}, "good"}};
  const std::vector<std::string> labels{"0", "1"};
  const auto found = label_words_of(labels, std::vector{TokenId{9}, TokenId{4}}, words);
  CHECK(found[0].label == "0");
  CHECK(found[0].words == std::vector<std::string>{"good"});
  CHECK(found[1].words == std::vector<std::string>{"bad"});
  REQUIRE_ERROR(label_words_of(labels, std::vector{TokenId{9}}, words), "cloze.label_words.2");
  REQUIRE_ERROR(label_words_of(labels, std::vector{TokenId{9}, TokenId{5}}, words), "cloze.label_words.2");
}
