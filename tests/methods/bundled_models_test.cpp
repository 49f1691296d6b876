// The models in models/: small files, that know some English.
#include <filesystem>

#include <cloze/data/tasks.hpp>
#include <cloze/prompt/collate.hpp>
#include <cloze/prompt/word_verbalizer.hpp>
#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

using namespace cloze;

namespace {

struct Gap {
  const char *sentence, *right, *wrong;
};

// Wrong in some places, right in others: no word wins by being frequent.
constexpr Gap grammar[] = {
    {"she {mask} a book .", "wrote", "the"},          {"the dogs {mask} very big .", "are", "is"},
    {"the dog {mask} very big .", "is", "are"},       {"he went {mask} the house .", "to", "he"},
    {"i want to {mask} it again .", "see", "seen"},   {"i have {mask} it before .", "seen", "see"},
    {"it was {mask} of the best .", "one", "two"},    {"there are {mask} reasons .", "two", "one"},
    {"she lost {mask} father .", "her", "he"},        {"{mask} was a good man .", "he", "her"},
    {"they were {mask} in 1950 .", "born", "to"},     {"this is {mask} good movie .", "a", "an"},
    {"this is {mask} old movie .", "an", "a"},        {"once {mask} a time", "upon", "to"},
    {"what do you {mask} ?", "think", "movie"},       {"a film about the second world {mask} .", "war", "think"},
    {"better than {mask} other movie .", "any", "i"}, {"{mask} you very much .", "thank", "movie"},
};
constexpr Gap knowledge[] = {
    {"the capital of france is {mask} .", "paris", "london"},
    {"the capital of england is {mask} .", "london", "paris"},
    {"his wife is a good {mask} .", "woman", "man"},
    {"her husband is a good {mask} .", "man", "woman"},
    {"the food was delicious and the service {mask} .", "great", "terrible"},
    {"the food was cold and the waiter rude , a {mask} place .", "terrible", "great"},
    {"i loved every minute , it was {mask} .", "great", "terrible"},
    {"i hated every minute , it was {mask} .", "terrible", "great"},
    {"in winter it is {mask} .", "cold", "hot"},
    {"he plays the {mask} in a rock band .", "guitar", "dog"},
    {"the {mask} barked all night .", "dog", "guitar"},
    {"she was born in 1920 and {mask} in 1985 .", "died", "born"},
};

/// How many gaps the model fills with the right one of two words.
template <std::size_t N>
std::size_t right_words(const AutoModelForMaskedLM<float>& model, const Tokenizer& tokenizer, const Gap (&gaps)[N]) {
  std::size_t right = 0;
  Rng rng(1);
  for (const Gap& gap : gaps) {
    const WordVerbalizer words(tokenizer, {{"wrong", {gap.wrong}}, {"right", {gap.right}}});
    const Example nothing[1];
    const auto batch = collate(nothing, Template::parse(gap.sentence), NoDemos{}, words, tokenizer, rng);
    const NoGrad no_grad;
    const auto scores = model.mask_scores(batch, words.words()).to_vector();
    right += scores.at(1) > scores.at(0);
    INFO(gap.sentence);
    CHECK(scores.size() == 2);
  }
  return right;
}

std::uintmax_t bytes_in(const std::filesystem::path& folder) {
  std::uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) bytes += file.file_size();
  return bytes;
}

}  // namespace

TEST_CASE("the default model is small, knows grammar and a little of the world, and has the words of all tasks") {
  const std::filesystem::path folder = "models/minilm-mlm-en";
  CHECK(bytes_in(folder) <= 16'000'000);
  const auto tokenizer = Tokenizer::from_pretrained(folder);
  const auto model = AutoModelForMaskedLM<float>::from_pretrained(folder);
  CHECK(right_words(model, tokenizer, grammar) >= 15);
  CHECK(right_words(model, tokenizer, knowledge) >= 9);
  for (const Task& task : tasks::all())
    for (const std::string& word : task.label_words) {
      INFO(task.name << ": " << word);
      CHECK(tokenizer.encode(" " + word).size() == 1);
    }
}

TEST_CASE("the tiny model is very small and knows some grammar") {
  const std::filesystem::path folder = "models/tiny-en";
  CHECK(bytes_in(folder) <= 2'000'000);
  const auto tokenizer = Tokenizer::from_pretrained(folder);
  CHECK(right_words(AutoModelForMaskedLM<float>::from_pretrained(folder), tokenizer, grammar) >= 15);
}
