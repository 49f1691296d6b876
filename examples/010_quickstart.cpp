// test: --seeds 1 --steps 20
// cuda
// Quickstart: zero-shot, standard fine-tuning and prompt-based fine-tuning on 16 examples a class, side by side.
#include <cstdio>
#include <vector>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>

using namespace cloze;

namespace {

struct Arguments {
  std::string model_folder = "models/minilm-mlm-en", data_folder = "examples/data/sentiment", device = "cpu";
  Index seeds = 3;
  FineTuningOptions training{.steps = 200, .lr = 2e-5, .evaluate_every = 50};
};

// The models compute on device D. Nothing else here knows of it.
template <class D>
void compare(const Arguments& arguments) {
  const auto& [model_folder, data_folder, device, seeds, training] = arguments;
  FineTuningOptions options = training;
  require(seeds > 0, "cloze.method.4", "--seeds {}: wanted at least 1", seeds);
  const Columns columns{.text_a = "sentence", .label = "label", .labels = {"0", "1"}, .header = true};
  const auto train = read_tsv(data_folder + "/train.tsv", columns);
  const auto dev = read_tsv(data_folder + "/dev.tsv", columns);
  const auto test = read_tsv(data_folder + "/test.tsv", columns);
  const auto test_labels = labels_of(test);
  const auto tokenizer = Tokenizer::from_pretrained(model_folder);

  // The task as a cloze question: which of two words does the model expect at the mask?
  const Template prompt("{text_a} It was {mask}.");
  const WordVerbalizer words(tokenizer, {{"negative", {"terrible"}}, {"positive", {"great"}}});
  const auto prompted = [&] {
    return PromptClassifier(AutoModelForMaskedLM<float, D>::from_pretrained(model_folder), tokenizer, prompt, words);
  };
  std::printf("%zu training, %zu development and %zu test examples; prompt: \"%s\"\n", train.size(), dev.size(),
              test.size(), prompt.text().c_str());

  const auto positive =
      static_cast<double>(std::ranges::count(test_labels, LabelId{1})) / static_cast<double>(test.size());
  const double zero_shot = accuracy(predict(prompted(), test).predictions, test_labels);
  double standard_sum = 0, prompt_sum = 0;
  for (Index seed = 1; seed <= seeds; ++seed) {
    options.seed = static_cast<std::uint64_t>(seed);

    options.label = formatted("seed {}: standard fine-tuning    ", seed);
    const StandardClassifier standard(AutoModelForSequenceClassification<float, D>::from_pretrained(
                                          model_folder, {.num_labels = 2, .new_head_seed = options.seed}),
                                      tokenizer, false);
    fine_tune(standard, train, dev, options);
    const double standard_accuracy = accuracy(predict(standard, test).predictions, test_labels);

    options.label = formatted("seed {}: prompt-based fine-tuning", seed);
    const auto classifier = prompted();
    fine_tune(classifier, train, dev, options);
    const double prompt_accuracy = accuracy(predict(classifier, test).predictions, test_labels);

    std::printf("seed %lld: standard fine-tuning %.1f, prompt-based fine-tuning %.1f\n", static_cast<long long>(seed),
                100 * standard_accuracy, 100 * prompt_accuracy);
    std::fflush(stdout);
    standard_sum += standard_accuracy;
    prompt_sum += prompt_accuracy;
  }
  const double runs = static_cast<double>(seeds);
  std::printf("accuracy: majority %.1f, zero-shot %.1f, standard fine-tuning %.1f, prompt-based fine-tuning %.1f\n",
              100 * std::max(positive, 1 - positive), 100 * zero_shot, 100 * standard_sum / runs,
              100 * prompt_sum / runs);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Zero-shot, standard and prompt-based fine-tuning on a small sentiment set");
  app.add_option("--model", arguments.model_folder, "a BERT, RoBERTa or DistilBERT folder")->capture_default_str();
  app.add_option("--data", arguments.data_folder, "train.tsv, dev.tsv, test.tsv: sentence, label")
      ->capture_default_str();
  app.add_option("--seeds", arguments.seeds, "runs to average over")->capture_default_str();
  app.add_option("--steps", arguments.training.steps)->capture_default_str();
  app.add_option("--lr", arguments.training.lr)->capture_default_str();
  app.add_option("--device", arguments.device, "cpu, cuda or cuda:N")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    with_device(arguments.device, [&](auto device) { compare<decltype(device)>(arguments); });
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
