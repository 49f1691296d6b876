// test: ${WORK}/sentiment
// Trains once, saves the prompt model as one folder, and answers from that folder alone.
// usage: 050_save_and_predict FOLDER [text ...]
#include <cstdio>
#include <filesystem>

#include <cloze/cloze.hpp>

using namespace cloze;

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [text ...]\n", argv[0]);
    return 2;
  }
  try {
    const std::filesystem::path folder = argv[1];
    if (!std::filesystem::exists(folder / "prompt.json")) {
      const std::string pretrained = "models/minilm-mlm-en", data = "examples/data/sentiment";
      const Columns columns{.text_a = "sentence", .label = "label", .labels = {"0", "1"}, .header = true};
      const auto train = read_tsv(data + "/train.tsv", columns), dev = read_tsv(data + "/dev.tsv", columns);
      const auto tokenizer = Tokenizer::from_pretrained(pretrained);
      const PromptClassifier classifier(
          AutoModelForMaskedLM<float>::from_pretrained(pretrained), tokenizer, Template("{text_a} It was {mask}."),
          WordVerbalizer(tokenizer, {{"negative", {"terrible"}}, {"positive", {"great"}}}));
      // Ctrl-C saves; the same command goes on.
      const auto report =
          fine_tune(classifier, train, dev,
                    {.steps = 60, .lr = 5e-5, .evaluate_every = 20, .checkpoint = folder.string() + ".checkpoint"});
      if (report.interrupted) return 130;
      save_prompt_classifier(classifier, folder);
    }
    const auto classifier = load_prompt_classifier(folder);
    std::vector<std::string> texts(argv + 2, argv + argc);
    if (texts.empty()) texts = {"The soup was cold and nobody cared.", "I have rarely laughed so much in a theatre."};
    for (const std::string& text : texts) {
      const auto answer = classifier.predict(text);
      std::printf("%s (%.2f)  %s\n",
                  classifier.verbalizer().label_names()[static_cast<std::size_t>(value(answer.label))].c_str(),
                  answer.probabilities[static_cast<std::size_t>(value(answer.label))], text.c_str());
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
