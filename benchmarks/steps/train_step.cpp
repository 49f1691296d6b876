// One training step of prompt-based fine-tuning, timed: the side of cloze in benchmarks/peers/compare_train_step.py.
//
// usage: train_step MODEL_FOLDER BATCHES.json [--steps N] [--dropout P] [--threads N]
// Prints one JSON line per step, {"ms": …, "loss": …}, after one warm-up step; then the peak memory.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>

int main(int argc, char** argv) {
  std::string folder, batches_file;
  int steps = 5, threads = 0;
  double dropout = 0.1;
  CLI::App app("Times the training step of prompt-based fine-tuning");
  app.add_option("model", folder)->required();
  app.add_option("batches", batches_file)->required();
  app.add_option("--steps", steps);
  app.add_option("--dropout", dropout);
  app.add_option("--threads", threads);
  CLI11_PARSE(app, argc, argv);
  try {
    if (threads > 0) cloze::set_num_threads(threads);
    const auto inputs = cloze::read_json(batches_file);
    std::vector<cloze::TokenId> words;
    for (const int word : inputs["words"]) words.push_back(cloze::TokenId{word});
    std::vector<cloze::PackedBatch> batches;
    for (const auto& rows : inputs["batches"]) {
      cloze::PackedBatch batch;
      for (std::size_t i = 0; i < rows["ids"].size(); ++i) {
        cloze::Prompt prompt;
        for (const int id : rows["ids"][i]) prompt.ids.push_back(cloze::TokenId{id});
        prompt.masks = {rows["masks"][i].get<cloze::Index>()};
        batch.append(prompt);
        batch.labels.push_back(cloze::LabelId{rows["labels"][i].get<int>()});
      }
      batches.push_back(std::move(batch));
    }
    auto model = cloze::RobertaForMaskedLM<float>::from_pretrained(folder);
    model.dropout() = {.hidden = dropout, .attention = dropout, .classifier = dropout};
    auto parameters = model.parameters();
    cloze::AdamW optimizer(parameters, {.lr = 1e-5});
    cloze::Rng rng(0, "dropout");
    for (int step = 0; step <= steps; ++step) {
      const auto start = std::chrono::steady_clock::now();
      const auto& batch = batches[static_cast<std::size_t>(step) % batches.size()];
      auto scores = model.mask_scores(batch, words, {.training = true, .rng = &rng});
      auto loss = cloze::cross_entropy(scores, std::span<const cloze::LabelId>(batch.labels));
      loss.backward();
      cloze::clip_grad_norm(parameters, 1.0);
      optimizer.step();
      optimizer.zero_grad();
      const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
      if (step == 0) {
        std::printf("{\"warmup_loss\": %.7g}\n", static_cast<double>(loss.item()));
      } else {
        std::printf("{\"ms\": %.3f, \"loss\": %.7g}\n", ms, static_cast<double>(loss.item()));
      }
      std::fflush(stdout);
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("{\"peak_mb\": %.1f}\n", static_cast<double>(usage.ru_maxrss) / 1024);
  } catch (const cloze::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
