// test: --steps 20
// A number instead of a class: its two poles are words, and the prediction lies between them by their probability.
// usage: 091_regression [--data k-shot/STS-B/16-13] [--model FOLDER] [--loss divergence|lmbff_compat] [--standard]
#include <cstdio>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>

using namespace cloze;

namespace {

// Stars of a few reviews, where no data are given.
std::vector<Example> reviews() {
  const std::vector<std::pair<const char*, float>> rated{
      {"A dreadful film from start to finish.", 0.0f}, {"Dull, and far too long.", 1.0f},
      {"Some good scenes, some bad ones.", 2.5f},      {"A solid film with a fine cast.", 3.5f},
      {"Warm, clever and very funny.", 4.5f},          {"The best film of the year!", 5.0f},
      {"I wanted to leave after ten minutes.", 0.5f},  {"Not bad, not great.", 2.5f}};
  std::vector<Example> examples;
  for (const auto& [text, stars] : rated) examples.push_back({.text_a = text, .score = stars});
  return examples;
}

template <class Regressor>
void train_and_report(const Regressor& regressor, std::span<const Example> train, std::span<const Example> dev,
                      const FineTuningOptions& options) {
  const auto report = [&](const char* when) {
    const Evaluation found = predict(regressor, dev);
    const auto targets = targets_of(dev);
    const auto [low, high] = std::ranges::minmax_element(found.scores);
    std::printf("%s: mean squared error %.3f, Pearson %.3f, Spearman %.3f, predictions from %.2f to %.2f\n", when,
                mean_squared_error(found.scores, std::vector<double>(targets.begin(), targets.end())),
                score(Metric::pearson, found, dev), score(Metric::spearman, found, dev), *low, *high);
  };
  report("before");
  fine_tune(regressor, train, dev, options);
  report("after");
}

}  // namespace

int main(int argc, char** argv) {
  std::string data, model_folder = "models/minilm-mlm-en", loss = "divergence";
  bool standard = false;
  FineTuningOptions training{.steps = 200, .metric = Metric::pearson};
  CLI::App app("Regression between two words");
  app.add_option("--data", data, "an STS-B folder with train and dev; none: a few reviews with stars");
  app.add_option("--model", model_folder, "a Hugging Face folder")->capture_default_str();
  app.add_option("--loss", loss)->check(CLI::IsMember({"divergence", "lmbff_compat"}))->capture_default_str();
  app.add_flag("--standard", standard, "a head on the first token and squared error, without a prompt");
  app.add_option("--steps", training.steps)->capture_default_str();
  app.add_option("--lr", training.lr)->capture_default_str();
  app.add_option("--batch", training.batch_size)->capture_default_str();
  app.add_option("--evaluate-every", training.evaluate_every)->capture_default_str();
  app.add_option("--seed", training.seed)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const auto tokenizer = Tokenizer::from_pretrained(model_folder);
    const Task task = tasks::stsb();
    KShot kshot{.train = reviews(), .dev = reviews(), .test = {}, .more_tests = {}};
    if (!data.empty()) kshot = read_kshot(data, task, {.need_test = false});
    if (standard) {
      auto model = AutoModelForSequenceClassification<float>::from_pretrained(
          model_folder, {.num_labels = 1, .new_head_seed = training.seed});
      const RenderOptions render{.segments = model.config().segment_types > 1};
      train_and_report(StandardRegressor(std::move(model), tokenizer, !data.empty(), render), kshot.train, kshot.dev,
                       training);
      return 0;
    }
    const auto verbalizer = data.empty() ? RegressionVerbalizer(tokenizer, "terrible", "great", {0, 5})
                                         : RegressionVerbalizer(tokenizer, task);
    const PromptRegressor regressor(AutoModelForMaskedLM<float>::from_pretrained(model_folder), tokenizer,
                                    data.empty() ? Template("{text_a} It was {mask}.") : Template::of(task), verbalizer,
                                    NoDemos{}, {},
                                    loss == "divergence" ? PoleLoss::divergence : PoleLoss::lmbff_compat);
    train_and_report(regressor, kshot.train, kshot.dev, training);
    if (data.empty())
      std::printf("%.1f stars: I have rarely laughed so much.\n", regressor.predict("I have rarely laughed so much."));
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
