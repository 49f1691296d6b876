#include <cloze/methods/explain_answer.hpp>

#include <cloze/prompt/demos.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

namespace {

struct Setting {
  test::TemporaryFolder folder;
  std::vector<Example> train;  // short: the model takes 24 tokens

  Setting() {
    test::write_tiny_task_model(folder.path());
    for (const char* word : {"rain", "sun", "cold", "warm", "night", "day"})
      train.push_back({.text_a = word, .label = static_cast<LabelId>(train.size() % 2)});
  }

  template <class Demos = NoDemos>
  auto classifier(const char* prompt, Demos demos = {}) {
    const auto tokenizer = Tokenizer::from_pretrained(folder.path());
    return PromptClassifier(AutoModelForMaskedLM<double>::from_pretrained(folder.path()), tokenizer,
                            Template::parse(prompt),
                            WordVerbalizer(tokenizer, {{"bad", {"terrible"}}, {"good", {"great"}}}), std::move(demos));
  }
};

}  // namespace

TEST_CASE("explain with a model shows what it expects at the mask, and its answer") {
  Setting s;
  const auto classifier = s.classifier("{text_a} it was {mask} .");
  const Example example{.text_a = "the sea was cold", .source = "t:1"};
  const std::string text = explain(classifier, example, {.top = 3});
  const std::string prompt = explain(classifier.prompt(), example, classifier.tokenizer(), classifier.verbalizer());
  REQUIRE(text.starts_with(prompt));

  // The same by hand: the mask stands at 7, behind [CLS] and six words.
  Rng rng(0);
  const auto batch = classifier.batch({&example, 1}, rng);
  REQUIRE(batch.mask_rows == std::vector<Index>{7});
  const auto probabilities = softmax(classifier.model().mask_logits(batch, {})).to_vector();
  std::string wanted = "at 7:";
  auto rest = probabilities;
  for (int i = 0; i < 3; ++i) {
    const auto best = std::max_element(rest.begin(), rest.end());
    const auto id = static_cast<TokenId>(best - rest.begin());
    wanted += fmt::format("{} \"{}\" {:.3f}", i == 0 ? "" : ",", classifier.tokenizer().token(id), *best);
    *best = -1;
  }
  const auto answer = classifier.predict("the sea was cold");
  wanted += fmt::format("\nanswer: bad {:.3f}, good {:.3f}\n", answer.probabilities[0], answer.probabilities[1]);
  CHECK(text.substr(prompt.size()) == wanted);
}

TEST_CASE("explain with a model: demonstrations as drawn, several masks, more tokens than there are, errors") {
  Setting s;
  const auto shown = s.classifier("{text_a} it was {mask} .", RandomDemos(s.train));
  const Example example{.text_a = "the road was warm"};
  for (const std::uint64_t seed : {1, 2, 3}) {
    Rng rng(seed, "demos");
    const auto demos = shown.demos().sample(example, rng);
    const std::string prompt =
        explain(shown.prompt(), example, shown.tokenizer(), shown.verbalizer(), demos, shown.options());
    CHECK(explain(shown, example, {.seed = seed}).starts_with(prompt));
  }
  const std::string two = explain(s.classifier("{text_a} {mask} was {mask} ."), example, {.top = 1000});
  CHECK(two.find("\nat 5: ") != std::string::npos);
  CHECK(two.find("\nat 7: ") != std::string::npos);
  CHECK(two.find("answer:") == std::string::npos);
  REQUIRE_ERROR(explain(shown, example, {.top = 0}), "cloze.explain.1");
}
