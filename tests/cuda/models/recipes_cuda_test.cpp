// Recipes on Cuda: the same data, dropout and steps as on Reference, the same bits as graphs; and a model in BFloat16
// learns.
#include <cloze/core/cuda_graph.cuh>
#include <cloze/methods/fine_tuning.hpp>
#include <cloze/methods/prompt_classifier.hpp>
#include <cloze/models/bert.hpp>
#include <cloze/train/device_clip.hpp>

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

struct Result {
  std::vector<double> numbers;  // losses, norms, then the weights
  cuda::StepGraph::Counts counts;

  friend bool operator==(const Result& a, const Result& b) { return a.numbers == b.numbers; }
};

enum class Way { clipped_by_host, plain, graph };

/// Ten steps with dropout, batches of different sizes and lengths, clipping, and word embeddings by touched rows.
template <class T>
Result ten_steps(Way way) {
  const Tiny tiny;
  const auto classifier = tiny.prompted<T, Cuda>();
  const auto parameters = classifier.parameters();
  const auto examples = tiny_examples(40);
  AdamW optimizer(parameters, {.lr = 1e-3, .weight_decay = 0.1});
  DeviceClip clip(parameters, 0.5);
  Rng dropout(7, "dropout"), demos(7, "demos");
  std::vector<Tensor<T, Cuda>> losses;
  cuda::StepGraph graph;
  std::size_t next = 0;
  double norm = 0;
  for (int step = 0; step < 10; ++step) {
    const std::size_t size = 3 + static_cast<std::size_t>(step) % 3;
    const auto batch = std::span(examples).subspan(next, size);
    next += size;
    optimizer.set_lr(1e-3 / (1 + step));
    const auto once = [&] {
      const auto loss = classifier.loss(batch, {.training = true, .rng = &dropout}, demos);
      loss.backward();
      CHECK(std::any_of(parameters.begin(), parameters.end(),
                        [](const auto& parameter) { return parameter.tensor.has_row_sparse_grad(); }));
      if (way == Way::clipped_by_host) {
        const Clipping found = clip_factor(parameters, 0.5);
        norm = found.norm;
        optimizer.step(found.factor);
      } else {
        optimizer.step(clip.factor());
      }
      optimizer.zero_grad();
      losses.push_back(loss);
    };
    if (way == Way::graph) {
      graph.run(once);
    } else {
      once();
    }
  }
  Result result;
  for (const auto& loss : losses) result.numbers.push_back(convert<double>(loss.item()));
  result.numbers.push_back(way == Way::clipped_by_host ? norm : clip.norm());
  CHECK(clip.skipped() == 0);
  for (const auto& parameter : parameters)
    for (const T value : parameter.tensor.to_vector()) result.numbers.push_back(convert<double>(value));
  result.counts = graph.counts();
  return result;
}

template <class T>
void compare_graph() {
  const Result plain = ten_steps<T>(Way::plain), graph = ten_steps<T>(Way::graph);
  CHECK(plain == graph);
  CHECK(plain == ten_steps<T>(Way::clipped_by_host));
  CHECK(plain.numbers.front() != plain.numbers[9]);
  CHECK(graph.counts.captures == 9);
  CHECK(graph.counts.instantiations + graph.counts.updates == 9);
  CHECK(graph.counts.instantiations <= 4);
#ifdef CLOZE_CUDA_EMULATOR
  cloze::emulator::behaviour().late = true;  // the GPU is as far behind the host as it can be
  CHECK(plain == ten_steps<T>(Way::graph));
  CHECK(plain == ten_steps<T>(Way::plain));
  cloze::emulator::behaviour().late = false;
#endif
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

TEST_CASE("ten training steps as graphs give the weights of the steps without, to the bit", "[cuda][models]") {
  CLOZE_GPU_OR_SKIP();
  compare_graph<float>();
}

TEST_CASE("ten steps as graphs in BFloat16, with master weights, do so too", "[cuda][models]") {
  CLOZE_GPU_OR_SKIP();
  compare_graph<BFloat16>();
}
