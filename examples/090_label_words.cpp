// test: --steps 4 --rank 2 --count 20
// Label words found by the model itself: the words it expects at the masks of each class, the combinations that answer
// the training examples best, and the best of those after fine-tuning (LM-BFF's automatic label words); PETAL's words
// beside them. The ranking is written as LM-BFF's own mapping file.
// usage: 090_label_words [--task SST-2 --data k-shot/SST-2/16-13] [--model FOLDER] [--count 100] [--rank 10] [--steps
// 100]
#include <cstdio>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>
#include <cloze/experiments.hpp>

using namespace cloze;

int main(int argc, char** argv) {
  std::string name = "SST-2", data = "examples/data/sentiment", model_folder = "models/minilm-mlm-en", out;
  LabelWordOptions search;
  Index rank = 10;
  FineTuningOptions training{.steps = 100, .lr = 1e-5, .show_progress = false};
  CLI::App app("Finds label words for a task");
  app.add_option("--task", name, "one of LM-BFF's tasks")->capture_default_str();
  app.add_option("--data", data, "a folder with train and dev")->capture_default_str();
  app.add_option("--model", model_folder, "a Hugging Face folder")->capture_default_str();
  app.add_option("--likely", search.likely, "words a class that are tried")->capture_default_str();
  app.add_option("--count", search.count, "combinations to keep")->capture_default_str();
  app.add_option("--rank", rank, "how many of them are ranked by fine-tuning")->capture_default_str();
  app.add_option("--steps", training.steps, "of fine-tuning")->capture_default_str();
  app.add_option("--lr", training.lr)->capture_default_str();
  app.add_option("--least-letters", search.vocabulary.least_letters, "shorter words are left out")
      ->capture_default_str();
  app.add_option("--out", out, "write the ranking here");
  CLI11_PARSE(app, argc, argv);
  try {
    const Task task = tasks::find(name);
    const KShot kshot = read_kshot(data, task, {.need_test = false});
    const auto tokenizer = Tokenizer::from_pretrained(model_folder);
    const auto fresh = [&] { return AutoModelForMaskedLM<float>::from_pretrained(model_folder); };
    const Template prompt = Template::of(task);
    training.metric = task.metrics.front();

    const auto found = find_label_words(fresh(), tokenizer, prompt, kshot.train, task.labels(), search);
    std::printf("%zu combinations; the first one scores %.3f on the training examples: %s\n", found.size(),
                found.front().score, lmbff_mapping(found.front().labels).c_str());

    const auto first = std::span(found).first(std::min<std::size_t>(found.size(), static_cast<std::size_t>(rank)));
    const auto ranked = rank_label_words(first, [&](const std::vector<LabelWords>& words) {
      if (task.regression()) {
        const PromptRegressor regressor(
            fresh(), tokenizer, prompt,
            RegressionVerbalizer(tokenizer, words[0].words[0], words[1].words[0], *task.columns.bounds));
        return fine_tune(regressor, kshot.train, kshot.dev, training).best.value_or(-1);
      }
      const PromptClassifier classifier(fresh(), tokenizer, prompt, WordVerbalizer(tokenizer, words));
      return fine_tune(classifier, kshot.train, kshot.dev, training).best.value_or(0);
    });
    std::vector<ScoredMapping> mappings;
    for (const FoundWords& words : ranked) {
      mappings.push_back({words.labels, words.score});
      std::printf("dev %.5f  %s\n", words.score, lmbff_mapping(words.labels).c_str());
    }
    if (!out.empty()) write_lmbff_mappings(out, mappings);

    if (task.regression()) return 0;
    const auto words = vocabulary_words(tokenizer, {.least_letters = 2});
    const MaskScores scores = vocabulary_scores(fresh(), tokenizer, prompt, kshot.train, search.render);
    const auto petal =
        petal_words(std::span(&scores, 1), labels_of(kshot.train), static_cast<Index>(task.labels().size()), words);
    for (std::size_t label = 0; label < petal.size(); ++label) {
      std::printf("PETAL %s:", task.labels()[label].c_str());
      for (const ScoredWord& word : petal[label]) std::printf(" %s", word.text.c_str());
      std::printf("\n");
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
