#include <cloze/methods/prompt_folder.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

namespace {

PromptClassifier<AutoModelForMaskedLM<float>> tiny_classifier(const std::filesystem::path& folder, Template prompt,
                                                              WordScore score = WordScore::mean) {
  const auto tokenizer = Tokenizer::from_pretrained(folder);
  std::vector<LabelWords> labels{{"no", {"terrible", "cold"}}, {"yes", {"great", "warm"}}};
  if (score == WordScore::weighted) labels[0].weights = {1, 3}, labels[1].weights = {2, 1};
  return {AutoModelForMaskedLM<float>::from_pretrained(folder), tokenizer, std::move(prompt),
          WordVerbalizer(tokenizer, labels, {.score = score}),  NoDemos{}, RenderOptions{.max_length = 20}};
}

void spoil(const std::filesystem::path& folder, const char* key, nlohmann::json value) {
  auto json = read_json(folder / "prompt.json");
  json[key] = std::move(value);
  write_file_atomically(folder / "prompt.json", json.dump());
}

}  // namespace

TEST_CASE("a saved prompt folder answers as the classifier that was saved") {
  const test::TemporaryFolder folder;
  test::write_tiny_task_model(folder.path() / "model");
  const auto check = [&](const PromptClassifier<AutoModelForMaskedLM<float>>& classifier) {
    for (auto& parameter : classifier.parameters()) parameter.tensor.data()[0] += 0.25f;  // as if trained
    save_prompt_classifier(classifier, folder.path() / "saved");
    const auto loaded = load_prompt_classifier(folder.path() / "saved");
    CHECK(loaded.prompt().text() == classifier.prompt().text());
    CHECK(loaded.verbalizer().label_names() == classifier.verbalizer().label_names());
    for (const char* text :
         {"the sea in rain", "", "a very very very warm night on the hill and so now but the town was cold"})
      CHECK(loaded.predict(text).probabilities == classifier.predict(text).probabilities);
  };
  for (const WordScore score : {WordScore::mean, WordScore::max, WordScore::logsumexp, WordScore::weighted})
    check(tiny_classifier(folder.path() / "model", Template("{text_a|strip_period} it was {mask}."), score));
  check(tiny_classifier(folder.path() / "model",
                        Template::lmbff("*cls**sent_0*_it_was*mask*.*sep+*", {.first_sent_limit = 3})));
  check(
      tiny_classifier(folder.path() / "model", Template::openprompt(R"({"placeholder": "text_a"} it was {"mask"}.)")));
}

TEST_CASE("a prompt folder that is broken, foreign or of another version is refused") {
  const test::TemporaryFolder folder;
  test::write_tiny_task_model(folder.path() / "model");
  const auto saved = folder.path() / "saved";
  const auto again = [&] {
    save_prompt_classifier(tiny_classifier(folder.path() / "model", Template("{text_a} {mask}")), saved);
  };
  REQUIRE_ERROR(load_prompt_classifier(folder.path() / "model"), "cloze.file.1");
  again();
  spoil(saved, "version", 99);
  REQUIRE_ERROR(load_prompt_classifier(saved), "cloze.method.5");
  again();
  spoil(saved, "grammar", "german");
  REQUIRE_ERROR(load_prompt_classifier(saved), "cloze.method.5");
  again();
  spoil(saved, "template", "{text_a} no mask");
  REQUIRE_ERROR(load_prompt_classifier(saved), "cloze.template.5");
  again();
  spoil(saved, "max_length", "long");
  REQUIRE_ERROR(load_prompt_classifier(saved), "cloze.json.2");
  again();
  auto words = read_file(saved / "vocab.txt");
  std::swap(words[words.find("sea")], words[words.find("hill")]);
  write_file_atomically(saved / "vocab.txt", words);
  REQUIRE_ERROR(load_prompt_classifier(saved), "cloze.method.6");
  REQUIRE_ERROR(save_prompt_classifier(tiny_classifier(folder.path() / "model", Template::plain(false)), saved),
                "cloze.method.5");
}
