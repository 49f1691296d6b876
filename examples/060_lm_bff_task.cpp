// test: --task SST-2 --data examples/data/sentiment --model models/minilm-mlm-en --seeds 1 --steps 6 --max-test 24 --methods zero-shot standard prompt prompt-demo
// Any of LM-BFF's tasks, from its own k-shot folders, with any BERT, RoBERTa or DistilBERT folder.
// usage: 060_lm_bff_task --task SST-2 --data k-shot/SST-2 --model roberta-base [--seeds 13 21 …] [--methods zero-shot
// …]
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>

using namespace cloze;

namespace {

struct Settings {
  std::string task, data, model;
  std::vector<int> seeds{13, 21, 42, 87, 100};
  std::vector<std::string> methods{"zero-shot", "standard", "prompt"};
  Index max_test = 0;
  FineTuningOptions training{.steps = 1000, .lr = 1e-5};
};

// The first `count` test examples of an order that all seeds and methods share.
std::vector<Example> sample(std::vector<Example> test, Index count) {
  if (count <= 0 || count >= static_cast<Index>(test.size())) return test;
  Rng(0, "test sample").shuffle(test);
  test.resize(static_cast<std::size_t>(count));
  return test;
}

template <class Classifier>
double train_and_score(const Classifier& classifier, const KShot& data, const std::vector<Example>& test,
                       const Task& task, const FineTuningOptions& options) {
  fine_tune(classifier, data.train, data.dev, options);
  return score(task.metrics.front(), predict(classifier, test, {.seed = options.seed}).predictions, labels_of(test));
}

double run(const std::string& method, const Settings& settings, const Task& task, const KShot& data,
           const std::vector<Example>& test, const Tokenizer& tokenizer, FineTuningOptions options) {
  options.label = fmt::format("{} seed {}: {}", task.name, options.seed, method);
  options.metric = task.metrics.front();
  RenderOptions render{.max_length = task.limits.max_length};
  if (method == "standard") {
    auto model = AutoModelForSequenceClassification<float>::from_pretrained(
        settings.model, {.num_labels = static_cast<Index>(task.labels().size()), .new_head_seed = options.seed});
    render.segments = model.config().segment_types > 1;
    return train_and_score(StandardClassifier(std::move(model), tokenizer, task.pair(), render), data, test, task,
                           options);
  }
  auto model = AutoModelForMaskedLM<float>::from_pretrained(settings.model);
  const Template prompt = Template::of(task);
  const WordVerbalizer words(tokenizer, task);
  if (method == "prompt-demo") {
    if (task.limits.double_demo) render.max_length *= 2;
    return train_and_score(
        PromptClassifier(std::move(model), tokenizer, prompt, words, RandomDemos(data.train), render), data, test, task,
        options);
  }
  require(method == "prompt" || method == "zero-shot", "cloze.method.4",
          "--methods {}: wanted zero-shot, standard, prompt or prompt-demo", method);
  if (method == "zero-shot") options.steps = 0;
  return train_and_score(PromptClassifier(std::move(model), tokenizer, prompt, words, NoDemos{}, render), data, test,
                         task, options);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Zero-shot, standard and prompt-based fine-tuning on an LM-BFF task");
  app.add_option("--task", settings.task,
                 "SST-2, sst-5, mr, cr, mpqa, subj, trec, CoLA, MNLI, SNLI, QNLI, RTE, MRPC or QQP")
      ->required();
  app.add_option("--data", settings.data, "the task's folder (16-13/, 16-21/, … and its test file), or one split")
      ->required();
  app.add_option("--model", settings.model, "a Hugging Face folder")->required();
  app.add_option("--seeds", settings.seeds, "16-SEED folders; each is also the seed of training")
      ->capture_default_str();
  app.add_option("--methods", settings.methods, "zero-shot, standard, prompt, prompt-demo")->capture_default_str();
  app.add_option("--steps", settings.training.steps)->capture_default_str();
  app.add_option("--batch", settings.training.batch_size)->capture_default_str();
  app.add_option("--lr", settings.training.lr)->capture_default_str();
  app.add_option("--evaluate-every", settings.training.evaluate_every)->capture_default_str();
  app.add_option("--max-test", settings.max_test, "test on so many examples; 0: all")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const Task task = tasks::find(settings.task);
    require(!task.regression(), "cloze.method.3", "{} is a regression task: this program classifies", task.name);
    const auto tokenizer = Tokenizer::from_pretrained(settings.model);
    std::map<std::string, std::vector<double>> results;
    for (const int seed : settings.seeds) {
      const std::string split = settings.data + "/16-" + std::to_string(seed);
      const KShot data = read_kshot(std::filesystem::exists(split) ? split : settings.data, task);
      const auto test = sample(data.test, settings.max_test);
      settings.training.seed = static_cast<std::uint64_t>(seed);
      for (const std::string& method : settings.methods) {
        const double result = run(method, settings, task, data, test, tokenizer, settings.training);
        results[method].push_back(100 * result);
        std::printf("%s seed %d %s: %.1f on %zu test examples\n", task.name.c_str(), seed, method.c_str(), 100 * result,
                    test.size());
        std::fflush(stdout);
      }
    }
    for (const std::string& method : settings.methods) {
      const auto& values = results[method];
      double mean = 0, square = 0;
      for (const double value : values) mean += value / static_cast<double>(values.size());
      for (const double value : values) square += (value - mean) * (value - mean) / static_cast<double>(values.size());
      std::printf("%s %s: %.1f (%.1f) over %zu seeds\n", task.name.c_str(), method.c_str(), mean, std::sqrt(square),
                  values.size());
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
