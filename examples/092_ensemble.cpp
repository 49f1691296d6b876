// test: ${WORK}/ensemble
// Three templates with words of their own, each fine-tuned, answer together: the mean of their probabilities, weighted
// by their scores on dev. Saved and loaded as one predictor.
// usage: 092_ensemble FOLDER [steps]
#include <cstdio>
#include <cstdlib>

#include <cloze/cloze.hpp>
#include <cloze/experiments.hpp>

using namespace cloze;

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [steps]\n", argv[0]);
    return 2;
  }
  try {
    const std::string pretrained = "models/minilm-mlm-en", data = "examples/data/sentiment";
    const Columns columns{.text_a = "sentence", .label = "label", .labels = {"0", "1"}, .header = true};
    const auto train = read_tsv(data + "/train.tsv", columns), dev = read_tsv(data + "/dev.tsv", columns);
    const auto tokenizer = Tokenizer::from_pretrained(pretrained);
    using Member = PromptClassifier<AutoModelForMaskedLM<float>>;
    const std::vector<std::pair<Template, std::vector<LabelWords>>> prompts{
        {Template("{text_a} It was {mask}."), {{"negative", {"terrible"}}, {"positive", {"great"}}}},
        {Template("{text_a} All in all, it was {mask}."), {{"negative", {"bad"}}, {"positive", {"good"}}}},
        {Template("A {mask} one. {text_a}"), {{"negative", {"boring"}}, {"positive", {"wonderful"}}}}};
    std::vector<Member> members;
    std::vector<double> weights;
    for (const auto& [prompt, words] : prompts) {
      members.emplace_back(AutoModelForMaskedLM<float>::from_pretrained(pretrained), tokenizer, prompt,
                           WordVerbalizer(tokenizer, words));
      const auto report = fine_tune(members.back(), train, dev,
                                    {.steps = argc > 2 ? std::atoi(argv[2]) : 10,
                                     .evaluate_every = 10,
                                     .seed = static_cast<std::uint64_t>(members.size()),
                                     .label = prompt.text()});
      weights.push_back(report.best.value_or(1));
      std::printf("%s  dev %.3f\n", prompt.text().c_str(), weights.back());
    }
    const Ensemble<Member> ensemble(std::move(members), weights);
    std::printf("together  dev %.3f\n", score(Metric::accuracy, predict(ensemble, dev), dev));

    save_ensemble(ensemble, argv[1]);
    const auto loaded = load_ensemble(argv[1]);
    for (const char* text : {"The soup was cold and nobody cared.", "I have rarely laughed so much in a theatre."}) {
      const Prediction answer = loaded.predict(text);
      std::printf("%s (%.2f)  %s\n", value(answer.label) == 1 ? "positive" : "negative",
                  answer.probabilities[static_cast<std::size_t>(value(answer.label))], text);
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
