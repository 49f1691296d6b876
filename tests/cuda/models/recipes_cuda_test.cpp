// Recipes on Cuda: the same data, dropout and steps as on Reference; and a model in BFloat16 learns.
#include <cloze/methods/fine_tuning.hpp>
#include <cloze/methods/prompt_classifier.hpp>
#include <cloze/models/bert.hpp>

#include "support/gpu.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;
using cloze::test::tiny_examples;

namespace {

struct Tiny {
  test::TemporaryFolder folder;
  Tiny() { test::write_tiny_task_model(folder.path()); }

  template <class T, class D>
  auto prompted() const {
    const auto tokenizer = Tokenizer::from_pretrained(folder.path());
    const WordVerbalizer words(tokenizer, {{"no", {"terrible"}}, {"yes", {"great"}}});
    return PromptClassifier(BertForMaskedLM<T, D>::from_pretrained(folder.path()), tokenizer,
                            Template("{text_a} it was {mask}."), words);
  }
};

/// Losses of training with dropout, then the weights.
template <class D>
std::vector<double> trained(const Tiny& tiny) {
  const auto classifier = tiny.prompted<float, D>();
  std::vector<double> numbers;
  FineTuningOptions options{.steps = 6, .batch_size = 5, .lr = 1e-3, .weight_decay = 0.1, .show_progress = false};
  options.on_step = [&](Index, double loss) { numbers.push_back(loss); };
  fine_tune(classifier, tiny_examples(15), {}, options);
  for (const auto& parameter : classifier.parameters())
    for (const float value : parameter.tensor.to_vector()) numbers.push_back(static_cast<double>(value));
  return numbers;
}

}  // namespace

TEST_CASE("training on Cuda with dropout takes the steps that Reference takes", "[cuda][models]") {
  CLOZE_GPU_OR_SKIP();
  const Tiny tiny;
  const auto found = trained<Cuda>(tiny), wanted = trained<Reference>(tiny);
  REQUIRE(found.size() == wanted.size());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - wanted[i]));
  CHECK(worst < 2e-4);  // AdamW turns a gradient that is zero but for rounding into a step of up to the learning rate
}

TEST_CASE("training on Cuda gives the same bits twice", "[cuda][models]") {
  CLOZE_GPU_OR_SKIP();
  const Tiny tiny;
  CHECK(trained<Cuda>(tiny) == trained<Cuda>(tiny));
}

TEST_CASE("a model in BFloat16 learns on Cuda what one word decides", "[cuda][models]") {
  CLOZE_GPU_OR_SKIP();
  const Tiny tiny;
  const auto classifier = tiny.prompted<BFloat16, Cuda>();
  const auto unseen = tiny_examples(20, 200);
  fine_tune(classifier, tiny_examples(24), tiny_examples(12, 100),
            {.steps = 60, .batch_size = 6, .lr = 1e-2, .evaluate_every = 20, .show_progress = false});
  CHECK(accuracy(predict(classifier, unseen).predictions, labels_of(unseen)) > 0.9);
}
