// fine_tune: the few-shot training loop of LM-BFF for any classifier, made of public pieces. Copy it to change it.
#pragma once

#include <cmath>
#include <concepts>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/data/task.hpp>
#include <cloze/methods/predict.hpp>
#include <cloze/methods/score.hpp>
#include <cloze/nn/forward_context.hpp>
#include <cloze/train/adamw.hpp>
#include <cloze/train/best.hpp>
#include <cloze/train/checkpoint.hpp>
#include <cloze/train/clip.hpp>
#include <cloze/train/interrupt.hpp>
#include <cloze/train/progress.hpp>
#include <cloze/train/require_finite.hpp>
#include <cloze/train/sampler.hpp>
#include <cloze/train/schedule.hpp>

namespace cloze {

/// What fine_tune trains: PromptClassifier, StandardClassifier, or a class of your own.
///   loss(examples, context, rng) -> one number;  scores(examples, context, rng) -> [examples, labels]
template <class C>
concept FewShotClassifier = ScoresExamples<C> &&
    requires(const C& classifier, std::span<const Example> examples, const ForwardContext& context, Rng& rng) {
  { classifier.loss(examples, context, rng) } -> std::same_as<Tensor<typename C::value_type, typename C::device>>;
  { classifier.parameters() } -> std::same_as<ParameterList<typename C::value_type, typename C::device>>;
};

struct FineTuningOptions {
  Index steps = 250;
  Index batch_size = 8;
  Index accumulate = 1;  // batches whose gradients add up to one step
  double lr = 2e-5;      // goes linearly to 0
  Index warmup = 0;
  double weight_decay = 0;
  double clip_norm = 1;     // infinity: none
  bool step_early = false;  // backward_and_step(): less memory, the same bits; needs clip_norm infinity, accumulate 1
  bool recompute = false;   // ForwardContext::recompute: less memory, more time, the same bits
  Index evaluate_every = 100;          // dev; the last step is always evaluated
  Metric metric = Metric::accuracy;    // on dev, chooses the best step
  std::uint64_t seed = 42;             // of data order, demonstrations and dropout
  std::filesystem::path checkpoint{};  // where a run saves itself and goes on from; empty: nowhere
  std::string label = "train";         // before the progress bar
  bool show_progress = true;
  std::function<void(Index step, double loss)> on_step{};
};

struct FineTuningReport {
  Index steps = 0;             // done, those of an earlier run included
  Index best_step = 0;         // 0: the weights as they were
  std::optional<double> best;  // dev score of the best step
  bool interrupted = false;    // Ctrl-C: the checkpoint holds the rest
};

/// Trains on `train`; every so many steps scores `dev`, and ends with the parameters that scored best there (the
/// earliest of equals). Without dev examples it ends with the last ones. With a checkpoint, Ctrl-C (and every
/// evaluation) saves, and the same call goes on to the same bits; the file is removed at the end. The recipe of Gao,
/// Fisch, Chen: "Making pre-trained language models better few-shot learners", ACL 2021 (peers: LM-BFF's trainer):
/// AdamW, linear decay, clipping to 1, best on dev. Errors: the pieces' own, [cloze.train.1] a loss that is no number,
/// [cloze.method.4] an option out of range.
template <FewShotClassifier C>
FineTuningReport fine_tune(const C& classifier, std::span<const Example> train, std::span<const Example> dev,
                           const FineTuningOptions& options = {}) {
  require(options.steps >= 0 && options.accumulate >= 1 && options.evaluate_every >= 1, "cloze.method.4",
          "steps {}, accumulate {}, evaluate_every {}: wanted at least 0, 1 and 1", options.steps, options.accumulate,
          options.evaluate_every);
  require(!options.step_early || (std::isinf(options.clip_norm) && options.accumulate == 1), "cloze.method.4",
          "step_early with clip_norm {} and accumulate {}: wanted infinity and 1, as gradients never exist all at once",
          options.clip_norm, options.accumulate);
  const auto parameters = classifier.parameters();
  const Rng root(options.seed);
  Rng dropout_rng = root.stream("dropout"), demo_rng = root.stream("demos");
  EpochSampler sampler(static_cast<Index>(train.size()), root.stream("data order"));
  AdamW optimizer(parameters, {.lr = options.lr, .weight_decay = options.weight_decay});
  const LinearSchedule schedule{.total = options.steps, .warmup = options.warmup};
  BestParameters best(parameters);
  FineTuningReport report;

  Checkpoint run;
  run.add("model", parameters);
  run.add("optimizer", optimizer);
  run.add("dropout", dropout_rng);
  run.add("demos", demo_rng);
  run.add("sampler", sampler);
  run.add("best", best);
  run.add("steps", report.steps);
  run.add("best step", report.best_step);
  if (!options.checkpoint.empty() && std::filesystem::exists(options.checkpoint)) run.load(options.checkpoint);

  std::optional<Interrupt> interrupt;  // Ctrl-C ends the process as ever where there is nothing to save
  if (!options.checkpoint.empty()) interrupt.emplace();
  ProgressOptions shown{.label = options.label, .first = std::min(report.steps, options.steps)};
  if (!options.show_progress) shown.write = [](std::string_view) {};
  Progress progress(options.steps, shown);
  for (const Index step : progress) {
    double loss = 0;
    for (Index part = 0; part < options.accumulate; ++part) {
      const auto batch = pick(train, sampler.next(options.batch_size));
      auto part_loss =
          classifier.loss(batch, {.training = true, .rng = &dropout_rng, .recompute = options.recompute}, demo_rng);
      if (options.accumulate > 1)
        part_loss = scale(part_loss,
                          static_cast<Compute<typename C::value_type>>(1.0 / static_cast<double>(options.accumulate)));
      loss += static_cast<double>(part_loss.item());
      require_finite(loss, step);
      optimizer.set_lr(options.lr * schedule(step));
      if (options.step_early) {
        optimizer.backward_and_step(part_loss);
      } else {
        part_loss.backward();
      }
    }
    if (!options.step_early) {
      optimizer.step(clip_factor(parameters, options.clip_norm).factor);
      optimizer.zero_grad();
    }
    report.steps = step + 1;
    if (options.on_step) options.on_step(step, loss);

    const bool evaluated = report.steps % options.evaluate_every == 0 || report.steps == options.steps;
    if (evaluated && !dev.empty() &&
        best.update(score(options.metric, predict(classifier, dev, {.seed = options.seed}), dev)))
      report.best_step = report.steps;
    std::string text = formatted("loss {:.4f}", loss);
    if (best.score()) text += formatted(", best dev {:.3f} at step {}", *best.score(), report.best_step);
    progress.set_text(std::move(text));

    report.interrupted = interrupt && interrupt->requested() && report.steps < options.steps;
    if (!options.checkpoint.empty() && (evaluated || report.interrupted)) run.save(options.checkpoint);
    if (report.interrupted) break;
  }
  report.best = best.score();
  if (report.interrupted) return report;
  if (best.score()) best.restore();
  if (!options.checkpoint.empty()) std::filesystem::remove(options.checkpoint);
  return report;
}

}  // namespace cloze
