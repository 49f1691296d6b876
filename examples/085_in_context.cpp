// test: --demonstrations 4 --max-test 40 --draws 1 --calibrate
// In-context learning with a masked language model: many answered examples in the prompt, nothing trained.
// usage: 085_in_context [--demonstrations 16] [--before] [--calibrate] …
#include <cstdio>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>
#include <cloze/data/task_file.hpp>

using namespace cloze;

int main(int argc, char** argv) {
  std::string model_folder = "models/minilm-mlm-en", data_folder = "examples/data/sentiment";
  InContextOptions options{.demonstrations = 16};
  Index draws = 4, max_test = 264;
  bool before = false, calibrate = false;
  CLI::App app("GPT-3's way of showing examples, with a masked language model");
  app.add_option("--model", model_folder, "a BERT, RoBERTa or DistilBERT folder")->capture_default_str();
  app.add_option("--data", data_folder, "train.tsv, dev.tsv, test.tsv: sentence, label")->capture_default_str();
  app.add_option("--demonstrations", options.demonstrations)->capture_default_str();
  app.add_option("--max-length", options.max_length, "tokens; what does not fit is left out")->capture_default_str();
  app.add_option("--draws", draws, "draws of demonstrations to average over")->capture_default_str();
  app.add_option("--max-test", max_test)->capture_default_str();
  app.add_flag("--before", before, "put them before the query instead of after it");
  app.add_flag("--calibrate", calibrate, "divide by the answers to inputs without content");
  CLI11_PARSE(app, argc, argv);
  try {
    const Task task = read_tasks("examples/data/tasks.json").find("sentiment");
    KShot data = read_kshot(data_folder, task);
    data.test.resize(std::min(static_cast<std::size_t>(max_test), data.test.size()));
    options.place = before ? DemoPlace::before : DemoPlace::after;

    const CachedTokenizer tokenizer(Tokenizer::from_pretrained(model_folder));
    const auto classifier = in_context(AutoModelForMaskedLM<float>::from_pretrained(model_folder), tokenizer,
                                       Template::of(task), WordVerbalizer(tokenizer, task), data.train, options);
    const auto report = [&](const char* name, const auto& which) {
      const auto found = predict_draws(which, data.test, {.draws = draws});
      std::printf("%-12s accuracy %.3f\n", name, accuracy(found.predictions, labels_of(data.test)));
    };
    std::printf("%lld demonstrations %s the query, %lld draws, %zu test examples\n",
                static_cast<long long>(options.demonstrations), before ? "before" : "after",
                static_cast<long long>(draws), data.test.size());
    report("as it is", classifier);
    if (calibrate) {
      const auto prior = content_free_prior(classifier, {.draws = draws});
      std::printf("without content: %s %.3f, %s %.3f\n", task.label_words[0].c_str(), prior[0],
                  task.label_words[1].c_str(), prior[1]);
      report("calibrated", CalibratedClassifier(classifier, prior));
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
