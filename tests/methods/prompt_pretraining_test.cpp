#include <cloze/methods/prompt_pretraining.hpp>

#include <cloze/batch/objectives/masked_lm.hpp>
#include <cloze/data/list_stream.hpp>
#include <cloze/prompt/word_verbalizer.hpp>
#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

TEST_CASE("templates are filled with the label's word, which is then always masked and predicted") {
  const test::TemporaryFolder folder;
  test::write_tiny_task_model(folder.path());
  const auto tokenizer = Tokenizer::from_pretrained(folder.path());
  const Template prompt("{text_a} it was {mask}.");
  const WordVerbalizer words(tokenizer, {{"0", {"terrible"}}, {"1", {"great"}}});
  const auto examples = test::tiny_examples(20);
  const auto filled = filled_prompts(examples, prompt, words, tokenizer);
  REQUIRE(filled.size() == 20);
  const TokenId mask = *tokenizer.special().mask;
  Rng rng(1);
  double others = 0, count = 0;
  for (std::size_t i = 0; i < filled.size(); ++i) {
    const Prompt& text = filled[i].prompt;
    CHECK(tokenizer.decode(text.ids) ==
          examples[i].text_a + " it was " + (value(*examples[i].label) == 1 ? "great" : "terrible") + ".");
    const MaskedLm masking({.mask = mask, .vocab_size = 29, .special = {TokenId{2}, TokenId{3}}, .rate = 0.3});
    for (int draw = 0; draw < 50; ++draw) {
      const LmExample example = masking(filled[i], rng);
      const auto at = static_cast<std::size_t>(text.masks[0]);
      CHECK(example.prompt.ids[at] == mask);
      const auto place = std::ranges::find(example.prompt.masks, text.masks[0]) - example.prompt.masks.begin();
      REQUIRE(place < std::ssize(example.prompt.masks));
      CHECK(example.targets[static_cast<std::size_t>(place)] == text.ids[at]);
      others += static_cast<double>(example.targets.size()) - 1;
      count += static_cast<double>(text.ids.size()) - 3;  // without cls, sep and the label's word
    }
  }
  CHECK(std::abs(others / count - 0.3) < 5 * std::sqrt(0.21 / count));
  ListStream stream(filled, 0);
  for (int i = 0; i < 45; ++i) CHECK(stream.next()->prompt.ids == filled[static_cast<std::size_t>(i % 20)].prompt.ids);
}

TEST_CASE("an example without a usable label, and a template of two masks, cannot be filled") {
  const test::TemporaryFolder folder;
  test::write_tiny_task_model(folder.path());
  const auto tokenizer = Tokenizer::from_pretrained(folder.path());
  const WordVerbalizer words(tokenizer, {{"0", {"terrible"}}, {"1", {"great"}}});
  const Template one("{text_a} {mask}"), two("{mask} {text_a} {mask}");
  auto examples = test::tiny_examples(2);
  REQUIRE_ERROR(filled_prompts(examples, two, words, tokenizer), "cloze.prompt_pretraining.2");
  examples[1].label = LabelId{2};
  REQUIRE_ERROR(filled_prompts(examples, one, words, tokenizer), "cloze.prompt_pretraining.1");
  examples[1].label.reset();
  REQUIRE_ERROR(filled_prompts(examples, one, words, tokenizer), "cloze.prompt_pretraining.1");
  CHECK(filled_prompts(std::vector<Example>{}, one, words, tokenizer).empty());
}
