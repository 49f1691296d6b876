// The side of cloze in the benchmarks: a process that is told what to do, one JSON object a line, and answers with one.
// scripts/bench talks to it; by hand: echo '{"do": "gemm"}' | bench_worker
//
//   {"do": "threads", "count": N}                              the threads from now on
//   {"do": "precision", "name": "float32" | "bf16"}            of matrix products from now on
//   {"do": "model", "shape": NAME, "folder": F}                writes a random model
//   {"do": "render", "tokenizer": F, "data": F, "split": …, "demonstrations": B, "count": N, "batch": N, "out": FILE}
//   {"do": "render_text", "tokenizer": F, "text": FILE, "out": FILE}  masked-LM batches, 4096 tokens each
//   {"do": "load", "model": F, "dropout": P}                   a model, and AdamW on all its parameters
//   {"do": "train", "inputs": FILE, "steps": N}                -> ms, loss, tokens, gflop of each step
//   {"do": "pretrain", "inputs": FILE, "steps": N}             -> ms, loss, tokens of each step
//   {"do": "infer", "inputs": FILE, "batch_tokens": N}         -> ms, tokens, gflop, scores
//   {"do": "tokenize", "tokenizer": F, "text": FILE, "repeat": N}  -> ms of each, tokens, id_sum, bytes
//   {"do": "gemm"}, {"do": "copy"}, {"do": "memory"}           -> gflops, gbs, peak_mb
//   {"do": "profile"}                                          -> seconds by phase and operation, then forgets them
// An answer with "error" says what went wrong; the process goes on.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>

#include <cloze/autograd/losses.hpp>
#include <cloze/core/profile.hpp>
#include <cloze/models/auto.hpp>
#include <cloze/text/tokenizer.hpp>
#include <cloze/train/adamw.hpp>
#include <cloze/train/clip.hpp>
#include <cloze/train/evaluate.hpp>

#include "flops.hpp"
#include "inputs.hpp"
#include "peaks.hpp"
#include "pretraining_inputs.hpp"
#include "random_model.hpp"

using namespace cloze;
using Clock = std::chrono::steady_clock;

namespace {

double ms_since(Clock::time_point start) { return 1e3 * bench::seconds_since(start); }

/// A model in training.
class Run {
 public:
  Run(const std::string& folder, double dropout)
      : model_(AutoModelForMaskedLM<float>::from_pretrained(folder)),
        parameters_(model_.parameters()),
        optimizer_(parameters_, {.lr = 1e-5}) {
    model_.dropout() = {.hidden = dropout, .attention = dropout, .classifier = dropout};
  }

  /// LM-BFF's step: the label words at the mask, cross entropy, clipping to norm 1, AdamW on every parameter.
  double train_step(const PackedBatch& batch, std::span<const TokenId> words) {
    return step([&](const ForwardContext& context) {
      return cross_entropy(model_.mask_scores(batch, words, context), std::span<const LabelId>(batch.labels));
    });
  }

  /// The same for masked-LM pretraining: the whole vocabulary at every mask.
  double pretraining_step(const PackedBatch& batch) {
    return step([&](const ForwardContext& context) { return model_.mask_loss(batch, context); });
  }

  /// Batches of tokens, longest first, and the scores in the order of the sequences, as predict() has it.
  std::vector<double> infer(const PackedBatch& all, std::span<const TokenId> words, Index batch_tokens) const {
    std::vector<Index> lengths;
    for (Index s = 0; s < all.sequences(); ++s) lengths.push_back(all.length(s));
    return evaluate(
               [&](std::span<const Index> chosen) { return model_.mask_scores(pick_sequences(all, chosen), words); },
               all.sequences(), token_batches_by_length(lengths, batch_tokens))
        .scores;
  }

  const EncoderConfig& config() const { return model_.config(); }

 private:
  template <class Loss>
  double step(Loss compute) {
    profile_mark("between", "steps");
    double result = 0;
    {
      const auto loss = compute(ForwardContext{.training = true, .rng = &rng_});
      result = static_cast<double>(loss.item());
      loss.backward();
    }
    profile_mark("backward", "freeing");
    const double clip = clip_factor(parameters_, 1.0).factor;
    profile_mark("optimizer", "norm");
    optimizer_.step(clip);
    profile_mark("optimizer", "AdamW");
    optimizer_.zero_grad();
    profile_mark("optimizer", "zero_grad");
    return result;
  }

  AutoModelForMaskedLM<float> model_;
  ParameterList<float> parameters_;
  AdamW<float> optimizer_;
  Rng rng_{0, "dropout"};
};

class Worker {
 public:
  nlohmann::json answer(const nlohmann::json& request) {
    const auto what = get<std::string>(request, "do");
    nlohmann::json reply = nlohmann::json::object();
    if (what == "threads") {
      set_num_threads(get<int>(request, "count"));
      reply["threads"] = num_threads();
    } else if (what == "precision") {
      kernels::set_gemm_precision(kernels::gemm_precision_named(get<std::string>(request, "name")));
      reply["backend"] = kernels::gemm_backend();
    } else if (what == "model") {
      bench::write_random_model(get<std::string>(request, "shape"), get<std::string>(request, "folder"));
    } else if (what == "render") {
      bench::write_inputs({.tokenizer = get<std::string>(request, "tokenizer"),
                           .data = get<std::string>(request, "data"),
                           .split = get<std::string>(request, "split"),
                           .demonstrations = get<bool>(request, "demonstrations"),
                           .batch = get<Index>(request, "batch"),
                           .count = get<Index>(request, "count")},
                          get<std::string>(request, "out"));
    } else if (what == "render_text") {
      bench::write_text_inputs(
          {.tokenizer = get<std::string>(request, "tokenizer"), .text = get<std::string>(request, "text")},
          get<std::string>(request, "out"));
    } else if (what == "load") {
      run_.emplace(get<std::string>(request, "model"), get<double>(request, "dropout"));
    } else if (what == "train") {
      train(request, reply);
    } else if (what == "pretrain") {
      pretrain(request, reply);
    } else if (what == "infer") {
      infer(request, reply);
    } else if (what == "tokenize") {
      tokenize(request, reply);
    } else if (what == "gemm") {
      reply["gflops"] = bench::peak_gemm_rate(1.0);
    } else if (what == "copy") {
      reply["gbs"] = bench::copy_rate(0.5);
    } else if (what == "memory") {
      reply["peak_mb"] = bench::peak_memory_mb();
    } else if (what == "profile") {
      profile_table(reply);
    } else {
      fail("cloze.bench.3", "\"do\": \"{}\" is not known", what);
    }
    return reply;
  }

 private:
  template <class T>
  static T get(const nlohmann::json& request, const std::string& key) {
    return json_get<T>(request, key, "request");
  }

  Run& run() {
    require(run_.has_value(), "cloze.bench.3", "no model is loaded");
    return *run_;
  }

  const bench::Inputs& inputs(const nlohmann::json& request) {
    const auto path = get<std::string>(request, "inputs");
    if (path != path_) {
      inputs_ = bench::read_inputs(path);
      path_ = path;
      next_ = 0;
    }
    return inputs_;
  }

  void train(const nlohmann::json& request, nlohmann::json& reply) {
    const auto& data = inputs(request);
    for (auto step = get<int>(request, "steps"); step > 0; --step) {
      const auto& batch = data.batches[next_++ % data.batches.size()];
      const auto start = Clock::now();
      const double loss = run().train_step(batch, data.words);
      reply["ms"].push_back(ms_since(start));
      reply["loss"].push_back(loss);
      reply["tokens"].push_back(batch.tokens());
      reply["gflop"].push_back(1e-9 * bench::step_flops(run().config(), batch, static_cast<Index>(data.words.size())));
    }
  }

  void pretrain(const nlohmann::json& request, nlohmann::json& reply) {
    const auto path = get<std::string>(request, "inputs");
    if (path != text_path_) {
      text_ = bench::read_text_inputs(path);
      text_path_ = path;
      next_ = 0;
    }
    for (auto step = get<int>(request, "steps"); step > 0; --step) {
      const auto& batch = text_[next_++ % text_.size()];
      const auto start = Clock::now();
      const double loss = run().pretraining_step(batch);
      reply["ms"].push_back(ms_since(start));
      reply["loss"].push_back(loss);
      reply["tokens"].push_back(batch.tokens());
    }
  }

  void infer(const nlohmann::json& request, nlohmann::json& reply) {
    const auto& data = inputs(request);
    const PackedBatch& all = data.batches.front();
    const auto start = Clock::now();
    const auto scores = run().infer(all, data.words, get<Index>(request, "batch_tokens"));
    reply["ms"] = ms_since(start);
    reply["scores"] = scores;
    reply["tokens"] = all.tokens();
    reply["gflop"] = 1e-9 * bench::forward_flops(run().config(), all, static_cast<Index>(data.words.size()));
  }

  static void tokenize(const nlohmann::json& request, nlohmann::json& reply) {
    const auto tokenizer = Tokenizer::from_pretrained(get<std::string>(request, "tokenizer"));
    std::vector<std::string> lines;
    const std::string text = read_file(get<std::string>(request, "text"));
    for (std::size_t begin = 0; begin <= text.size();) {
      const auto end = std::min(text.find('\n', begin), text.size());
      lines.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    std::size_t tokens = 0, id_sum = 0;
    for (auto run = get<int>(request, "repeat"); run > 0; --run) {
      const auto start = Clock::now();
      const auto ids = tokenizer.encode_batch(lines);
      reply["ms"].push_back(ms_since(start));
      tokens = id_sum = 0;
      for (const auto& row : ids) {
        tokens += row.size();
        for (const TokenId id : row) id_sum += static_cast<std::size_t>(value(id));
      }
    }
    reply["tokens"] = tokens;
    reply["id_sum"] = id_sum;
    reply["bytes"] = text.size();
  }

  static void profile_table([[maybe_unused]] nlohmann::json& reply) {
#ifdef CLOZE_PROFILE
    for (const auto& [key, entry] : profile()) {
      nlohmann::json row = nlohmann::json::object();
      row["phase"] = key.first;
      row["name"] = key.second;
      row["seconds"] = entry.seconds;
      row["calls"] = entry.calls;
      reply["rows"].push_back(row);
    }
    profile().clear();
#else
    fail("cloze.bench.3", "this program was compiled without CLOZE_PROFILE");
#endif
  }

  std::optional<Run> run_;
  std::string path_;
  bench::Inputs inputs_;
  std::string text_path_;
  std::vector<PackedBatch> text_;
  std::size_t next_ = 0;
};

}  // namespace

int main() {
  Worker worker;
  for (std::string line; std::getline(std::cin, line);) {
    nlohmann::json reply;
    try {
      reply = worker.answer(parse_json(line, "request"));
    } catch (const std::exception& error) {
      reply = nlohmann::json::object();
      reply["error"] = error.what();
    }
    std::puts(reply.dump().c_str());
    std::fflush(stdout);
  }
}
