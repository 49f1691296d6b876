// pretrain: masked-LM training that lasts, made of public pieces: it can be killed at any moment and goes on to the
// same bits. Copy it to change it.
#pragma once

#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/autograd/elementwise.hpp>
#include <cloze/core/error.hpp>
#include <cloze/methods/pretraining_data.hpp>
#include <cloze/nn/forward_context.hpp>
#include <cloze/train/adamw.hpp>
#include <cloze/train/checkpoint_folder.hpp>
#include <cloze/train/clip.hpp>
#include <cloze/train/interrupt.hpp>
#include <cloze/train/loss_guard.hpp>
#include <cloze/train/progress.hpp>
#include <cloze/train/resumable_stream.hpp>
#include <cloze/train/run_identity.hpp>
#include <cloze/train/sampler.hpp>
#include <cloze/train/schedule.hpp>
#include <cloze/train/tsv_log.hpp>

namespace cloze {

/// Mean losses of one batch.
template <Scalar T, Device D>
struct PretrainingLoss {
  Tensor<T, D> masked;  // over the rows that predict
  Tensor<T, D> pair;    // over the sequences: next sentence or sentence order; undefined without labels
};

/// The losses of a packed batch with at least one target: of the masked-LM head, and where the batch has labels of
/// the next-sentence head too. Errors: [cloze.pretraining.3] labels for a model without such a head; the model's.
template <class M>
PretrainingLoss<typename M::value_type, typename M::device> pretraining_loss(const M& model, const PackedBatch& batch,
                                                                             const ForwardContext& context = {}) {
  if (batch.labels.empty()) return {model.mask_loss(batch, context), {}};
  if constexpr (requires { model.losses(batch, context).next_sentence; }) {
    const auto both = model.losses(batch, context);
    return {both.masked, both.next_sentence};
  } else {
    fail("cloze.pretraining.3",
         "the examples are sentence pairs with labels, and this model has no next-sentence head: use "
         "BertForPreTraining");
  }
}

/// Mean loss of the masked-LM head over a held-out set, without gradients.   NaN where it has no targets
template <class M>
double held_out_loss(const M& model, const HeldOut& held) {
  const NoGrad no_grad;
  double sum = 0, count = 0;
  for (const PackedBatch& batch : held.batches) {
    const auto rows = static_cast<double>(batch.targets.size());
    sum += rows * static_cast<double>(pretraining_loss(model, batch).masked.item());
    count += rows;
  }
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

enum class LrDecay { linear, cosine, none };

struct PretrainingOptions {
  std::filesystem::path folder = {};  // of the run: checkpoints and logs
  Index steps = 1000;                 // of the whole schedule, over all sittings
  Index tokens_per_step = 4096;       // a step takes whole sequences until it has as many
  Index tokens_per_pass = 4096;       // at once through the model; a step's gradients add up over its passes
  AdamWOptions optimizer{.lr = 5e-4, .betas = {0.9, 0.98}, .eps = 1e-6, .weight_decay = 0.01};
  Index warmup = 100;
  LrDecay decay = LrDecay::linear;
  double clip_norm = 1;
  LossGuardOptions guard = {};
  std::uint64_t seed = 42;         // of masks and dropout
  Index stop_at = 0;               // this sitting ends at that step; 0: at the end
  double minutes = 0;              // this sitting lasts as long; 0: without limit
  double checkpoint_minutes = 10;  // a checkpoint is also written at the end of a sitting
  double evaluate_minutes = 10;    // held-out losses; also at the beginning and the end
  Index keep = 3;                  // checkpoints
  Index log_every = 10;            // steps
  bool show_progress = true;
  std::function<void(const std::filesystem::path&)> save_model = {};  // writes folder/model at the end of a sitting
  std::function<void(std::string_view)> say = {};                     // lines for the user; nothing: to stderr
};

struct PretrainingReport {
  Index steps = 0;   // done, earlier sittings included
  Index tokens = 0;  // seen
  Index refused = 0;
  bool finished = false;              // the schedule's end was reached, or the data's
  bool interrupted = false;           // Ctrl-C or SIGTERM ended the sitting
  std::vector<double> held_out = {};  // last losses, in the order of the sets
};

namespace detail {

inline double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Masked examples of about `goal` tokens; fewer only at the end of the data. An example in which nothing can be
/// predicted (nothing but unknown words) is passed over. Errors: [cloze.pretraining.4] a thousand of them in a row.
template <ItemStream S>
std::vector<LmExample> draw_examples(S& data, const MaskedLm& masking, Rng& rng, Index goal) {
  std::vector<LmExample> drawn;
  int empty = 0;
  for (Index tokens = 0; tokens < goal;) {
    const auto next = data.next();
    if (!next) break;
    LmExample example = masking(*next, rng);
    if (example.targets.empty()) {
      require(++empty < 1000, "cloze.pretraining.4",
              "a thousand sequences in a row have no token that could be predicted: a vocabulary that does not know "
              "the text, or a mask rate of 0?");
      continue;
    }
    empty = 0;
    tokens += static_cast<Index>(example.prompt.ids.size());
    drawn.push_back(std::move(example));
  }
  return drawn;
}

/// One step's gradients, in passes; each pass weighs as much as it has targets. Returns the mean masked-LM loss.
template <class M>
double accumulate_gradients(const M& model, std::span<const LmExample> examples, Index tokens_per_pass, Rng& rng) {
  using T = typename M::value_type;
  std::vector<Index> lengths;
  double targets = 0;
  for (const LmExample& example : examples) {
    lengths.push_back(static_cast<Index>(example.prompt.ids.size()));
    targets += static_cast<double>(example.targets.size());
  }
  double sum = 0;
  for (const auto& chosen : token_batches(lengths, tokens_per_pass)) {
    const PackedBatch batch = pack(pick(examples, chosen));
    const auto loss = pretraining_loss(model, batch, {.training = true, .rng = &rng});
    const double share = static_cast<double>(batch.targets.size()) / targets;
    auto total = scale(loss.masked, static_cast<Compute<T>>(share));
    if (loss.pair.defined())
      total = add(total, scale(loss.pair, static_cast<Compute<T>>(static_cast<double>(batch.sequences()) /
                                                                  static_cast<double>(examples.size()))));
    sum += share * static_cast<double>(loss.masked.item());
    total.backward();
  }
  return sum;
}

inline double decay_factor(const PretrainingOptions& options, Index step) {
  switch (options.decay) {
    case LrDecay::linear:
      return LinearSchedule{.total = options.steps, .warmup = options.warmup}(step);
    case LrDecay::cosine:
      return CosineSchedule{.total = options.steps, .warmup = options.warmup}(step);
    case LrDecay::none:
      break;
  }
  return ConstantSchedule{.warmup = options.warmup}(step);
}

}  // namespace detail

/// Trains `model` on what `make_data` streams until the schedule's end or a limit of this sitting; Ctrl-C ends the
/// sitting too. The folder then holds checkpoints, log.tsv (step, tokens, lr, loss, gradient norm, tokens per second,
/// refused steps), heldout.tsv (step, tokens, a loss for each set) and, with save_model, the folder model. The same
/// call goes on where the newest checkpoint stands, to the same bits as a run without interruption; what `identity`
/// names must be the same. A file `export` in the folder asks a running program for a fresh model folder, and is
/// removed. Errors: [cloze.pretraining.5] an option out of range; CheckpointFolder's, LossGuard's, the data's and the
/// model's.
template <class M>
PretrainingReport pretrain(const M& model, std::function<ExampleStream()> make_data, const MaskedLm& masking,
                           std::span<const HeldOut> held_out, RunIdentity identity, const PretrainingOptions& options) {
  require(options.steps >= 1 && options.tokens_per_step >= 1 && options.tokens_per_pass >= 1 && options.stop_at >= 0 &&
              options.log_every >= 1,
          "cloze.pretraining.5", "steps {}, tokens_per_step {}, tokens_per_pass {}, log_every {}: wanted at least 1",
          options.steps, options.tokens_per_step, options.tokens_per_pass, options.log_every);
  const auto say = [&](const std::string& line) {
    if (options.say) return options.say(line);
    std::fprintf(stderr, "%s\n", line.c_str());
  };
  const CheckpointFolder checkpoints(options.folder, options.keep);
  auto parameters = model.parameters();
  const Rng root(options.seed);
  Rng dropout_rng = root.stream("dropout"), mask_rng = root.stream("masks");
  AdamW optimizer(parameters, options.optimizer);
  LossGuard guard(options.guard);
  ResumableStream<ExampleStream> data(std::move(make_data));
  Index done = 0, tokens = 0;

  Checkpoint run;
  run.add("identity", identity);
  run.add("model", parameters);
  run.add("optimizer", optimizer);
  run.add("dropout", dropout_rng);
  run.add("masks", mask_rng);
  run.add("guard", guard);
  run.add("steps", done);
  run.add("tokens", tokens);
  run.add("data", data);
  if (checkpoints.load(run)) say(formatted("going on at step {} after {} tokens", done, tokens));

  TsvLog log(options.folder / "log.tsv", {"step", "tokens", "lr", "loss", "grad_norm", "tokens_per_s", "refused"},
             done);
  std::vector<std::string> columns{"step", "tokens"};
  for (const HeldOut& held : held_out) columns.push_back(held.name);
  TsvLog held_log(options.folder / "heldout.tsv", columns, done);

  PretrainingReport report;
  const Interrupt interrupt;
  ProgressOptions shown{.label = "pretrain", .first = std::min(done, options.steps)};
  if (!options.show_progress) shown.write = [](std::string_view) {};
  Progress progress(options.steps, shown);
  const double begun = detail::clock_seconds();
  double saved_at = begun, evaluated_at = begun, logged_at = begun;
  Index saved_step = -1, evaluated_step = -1, logged_tokens = tokens;
  double loss_sum = 0, norm_sum = 0, good_steps = 0;

  const auto evaluate = [&] {
    std::vector<double> row{static_cast<double>(done), static_cast<double>(tokens)};
    std::string text;
    report.held_out.clear();
    for (const HeldOut& held : held_out) {
      row.push_back(held_out_loss(model, held));
      report.held_out.push_back(row.back());
      text += formatted(" {} {:.4f}", held.name, row.back());
    }
    if (!held_out.empty()) {
      held_log.add(row);
      say(formatted("step {}: held-out loss:{}", done, text));
    }
    evaluated_at = detail::clock_seconds();
    evaluated_step = done;
  };
  const auto save = [&] {
    checkpoints.save(run, done);
    saved_at = detail::clock_seconds();
    saved_step = done;
  };

  if (done == 0) evaluate();
  for (const Index step : progress) {
    const double now = detail::clock_seconds();
    const bool over = interrupt.requested() || (options.stop_at > 0 && step >= options.stop_at) ||
                      (options.minutes > 0 && now - begun >= 60 * options.minutes);
    if (over) break;
    const auto examples = detail::draw_examples(data, masking, mask_rng, options.tokens_per_step);
    if (examples.empty()) {
      report.finished = true;
      break;
    }
    const double loss = detail::accumulate_gradients(model, examples, options.tokens_per_pass, dropout_rng);
    const auto [norm, clip] = clip_factor(parameters, options.clip_norm, NonFinite::report);
    optimizer.set_lr(options.optimizer.lr * detail::decay_factor(options, step));
    const StepVerdict verdict = guard(loss, norm, step);
    if (verdict == StepVerdict::good) {
      optimizer.step(clip);
      loss_sum += loss;
      norm_sum += norm;
      ++good_steps;
    } else {
      say(formatted("step {}: {}: loss {:.4g}, gradient norm {:.4g}: left out", step,
                    verdict == StepVerdict::spike ? "a spike" : "not a finite number", loss, norm));
    }
    optimizer.zero_grad();
    done = step + 1;
    for (const LmExample& example : examples) tokens += static_cast<Index>(example.prompt.ids.size());

    const double after = detail::clock_seconds();
    if (done % options.log_every == 0 || done == options.steps) {
      const double rate = static_cast<double>(tokens - logged_tokens) / std::max(1e-9, after - logged_at);
      log.add({static_cast<double>(done), static_cast<double>(tokens), optimizer.lr(), loss_sum / good_steps,
               norm_sum / good_steps, rate, static_cast<double>(guard.refused())});
      progress.set_text(formatted("loss {:.4f}, {:.0f} tokens/s", loss_sum / good_steps, rate));
      loss_sum = norm_sum = good_steps = 0;
      logged_tokens = tokens, logged_at = after;
    }
    if (after - evaluated_at >= 60 * options.evaluate_minutes) evaluate();
    if (after - saved_at >= 60 * options.checkpoint_minutes) save();
    const auto request = options.folder / "export";
    std::error_code ignored;
    if (options.save_model && std::filesystem::exists(request, ignored)) {
      options.save_model(options.folder / "model");
      std::filesystem::remove(request, ignored);
    }
  }
  report.finished = report.finished || done >= options.steps;
  report.interrupted = !report.finished && interrupt.requested();
  if (evaluated_step != done) evaluate();
  if (saved_step != done) save();
  if (options.save_model) options.save_model(options.folder / "model");
  report.steps = done;
  report.tokens = tokens;
  report.refused = guard.refused();
  return report;
}

}  // namespace cloze
