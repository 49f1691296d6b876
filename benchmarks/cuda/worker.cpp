// The side of cloze in scripts/bench cuda: a process that is told what to do, one JSON object a line, and answers with
// one, as steps/worker.cpp. Times are wall clock from an idle GPU to an idle GPU.
//
//   {"do": "gpu"}                                              -> name, memory_mb, driver, runtime
//   {"do": "load", "model": F, "dropout": P, "precision": "float32" | "tf32" | "bfloat16"}
//   {"do": "train", "inputs": FILE, "steps": N, "graph": B}    -> ms of a step (mean), losses, tokens, gflop of all
//   {"do": "infer", "inputs": FILE, "batch_tokens": N}         -> ms, tokens, gflop, scores
//   {"do": "gemm", "m": M, "n": N, "k": K, "type": "float32" | "bfloat16"}  -> tflops of kernels::gemm
//   {"do": "memory"}                                           -> peak_mb of tensors since "load", held_mb
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>

#include <cloze/autograd/losses.hpp>
#include <cloze/core/cuda_graph.cuh>
#include <cloze/models/auto.hpp>
#include <cloze/train/adamw.hpp>
#include <cloze/train/clip.hpp>
#include <cloze/train/device_clip.hpp>
#include <cloze/train/evaluate.hpp>

#include "../steps/flops.hpp"
#include "../steps/inputs.hpp"

using namespace cloze;
using Clock = std::chrono::steady_clock;

namespace {

constexpr double mega = 1024.0 * 1024.0;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

template <class T>
T get(const nlohmann::json& request, const std::string& key) {
  return json_get<T>(request, key, "request");
}

/// A model in training: LM-BFF's step, as the other sides do it.
class AnyRun {
 public:
  virtual ~AnyRun() = default;
  virtual void train_step(const PackedBatch& batch, std::span<const TokenId> words, bool as_graph) = 0;
  /// Of the steps since the last call.
  virtual std::vector<double> take_losses() = 0;
  virtual std::vector<double> infer(const PackedBatch& all, std::span<const TokenId> words,
                                    Index batch_tokens) const = 0;
  virtual const EncoderConfig& config() const = 0;
};

template <class T>
class Run final : public AnyRun {
 public:
  Run(const std::string& folder, double dropout)
      : model_(AutoModelForMaskedLM<T, Cuda>::from_pretrained(folder)),
        parameters_(model_.parameters()),
        optimizer_(parameters_, {.lr = 1e-5}),
        clip_(parameters_, 1.0) {
    model_.dropout() = {.hidden = dropout, .attention = dropout, .classifier = dropout};
  }

  /// Label words at the mask, cross entropy, clipping to norm 1, AdamW on every parameter. Every side reads its loss:
  /// it shows in its log. A graph's losses are read behind the last step.
  void train_step(const PackedBatch& batch, std::span<const TokenId> words, bool as_graph) override {
    const auto loss_of_step = [&] {
      auto loss =
          cross_entropy(model_.mask_scores(batch, words, {.training = true, .rng = &rng_}), std::span(batch.labels));
      loss.backward();
      return loss;
    };
    if (as_graph) {
      graph_.run([&] {
        waiting_.push_back(loss_of_step());
        optimizer_.step(clip_.factor());
        optimizer_.zero_grad();
      });
    } else {
      losses_.push_back(static_cast<double>(loss_of_step().item()));
      optimizer_.step(clip_factor(parameters_, 1.0).factor);
      optimizer_.zero_grad();
    }
  }

  std::vector<double> take_losses() override {
    for (const auto& loss : waiting_) losses_.push_back(static_cast<double>(loss.item()));
    waiting_.clear();
    return std::exchange(losses_, {});
  }

  std::vector<double> infer(const PackedBatch& all, std::span<const TokenId> words, Index batch_tokens) const override {
    std::vector<Index> lengths;
    for (Index s = 0; s < all.sequences(); ++s) lengths.push_back(all.length(s));
    return evaluate(
               [&](std::span<const Index> chosen) { return model_.mask_scores(pick_sequences(all, chosen), words); },
               all.sequences(), token_batches_by_length(lengths, batch_tokens))
        .scores;
  }

  const EncoderConfig& config() const override { return model_.config(); }

 private:
  AutoModelForMaskedLM<T, Cuda> model_;
  ParameterList<T, Cuda> parameters_;
  AdamW<T, Cuda> optimizer_;
  DeviceClip<T, Cuda> clip_;
  Rng rng_{0, "dropout"};
  std::vector<double> losses_;
  std::vector<Tensor<T, Cuda>> waiting_;
  cuda::StepGraph graph_;
};

template <class T>
double gemm_rate(Index m, Index n, Index k) {
  const Storage<T, Cuda> a(m * k), b(n * k), c(m * n);
  std::vector<T> values(static_cast<std::size_t>(std::max(m * k, n * k)));
  std::uint32_t state = 1;
  for (T& value : values) {
    state = state * 1664525u + 1013904223u;
    value = convert<T>(static_cast<float>(state >> 8) * 0x1p-24f - 0.5f);
  }
  copy_elements<Cpu, Cuda>(values.data(), a.data(), m * k);
  copy_elements<Cpu, Cuda>(values.data(), b.data(), n * k);
  const auto multiply = [&] {
    kernels::gemm(Cuda{}, kernels::GemmArgs<T>{m, n, k, a.data(), k, false, b.data(), k, true, c.data(), n, false});
  };
  for (int i = 0; i < 3; ++i) multiply();
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    cuda::synchronize();
    const auto start = Clock::now();
    for (int i = 0; i < 10; ++i) multiply();
    cuda::synchronize();
    best = std::max(best, 1e-9 * 2 * 10 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) /
                              ms_since(start));
  }
  return best;
}

class Worker {
 public:
  nlohmann::json answer(const nlohmann::json& request) {
    const auto what = get<std::string>(request, "do");
    nlohmann::json reply = nlohmann::json::object();
    if (what == "gpu") {
      gpu(reply);
    } else if (what == "load") {
      const auto precision = get<std::string>(request, "precision");
      require(precision == "float32" || precision == "tf32" || precision == "bfloat16", "cloze.bench.3",
              "precision \"{}\" is not known", precision);
      run_.reset();
      Memory<Cuda>::trim();
      Memory<Cuda>::reset_peak();
      cuda::use_tf32(precision == "tf32");
      const auto folder = get<std::string>(request, "model");
      const auto dropout = get<double>(request, "dropout");
      if (precision == "bfloat16") {
        run_ = std::make_unique<Run<BFloat16>>(folder, dropout);
      } else {
        run_ = std::make_unique<Run<float>>(folder, dropout);
      }
    } else if (what == "train") {
      train(request, reply);
    } else if (what == "infer") {
      infer(request, reply);
    } else if (what == "gemm") {
      const auto m = get<Index>(request, "m"), n = get<Index>(request, "n"), k = get<Index>(request, "k");
      reply["tflops"] =
          get<std::string>(request, "type") == "bfloat16" ? gemm_rate<BFloat16>(m, n, k) : gemm_rate<float>(m, n, k);
    } else if (what == "memory") {
      const MemoryStatistics now = Memory<Cuda>::statistics();
      reply["peak_mb"] = static_cast<double>(now.peak) / mega;
      reply["held_mb"] = static_cast<double>(now.held) / mega;
    } else {
      fail("cloze.bench.3", "\"do\": \"{}\" is not known", what);
    }
    return reply;
  }

 private:
  AnyRun& run() {
    require(run_ != nullptr, "cloze.bench.3", "no model is loaded");
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

  static void gpu(nlohmann::json& reply) {
    cudaDeviceProp found{};
    cuda::check(cudaGetDeviceProperties(&found, cuda::device()), "asking what the GPU is");
    int driver = 0, runtime = 0;
    cuda::check(cudaDriverGetVersion(&driver), "asking for the driver's version");
    cuda::check(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version");
    reply["name"] = std::string(found.name);
    reply["memory_mb"] = static_cast<double>(found.totalGlobalMem) / mega;
    reply["capability"] = found.major * 10 + found.minor;
    reply["driver"] = driver;
    reply["runtime"] = runtime;
  }

  void train(const nlohmann::json& request, nlohmann::json& reply) {
    const auto& data = inputs(request);
    const auto steps = get<int>(request, "steps");
    const bool as_graph = get<bool>(request, "graph");
    double tokens = 0, gflop = 0;
    cuda::synchronize();
    const auto start = Clock::now();
    for (int step = 0; step < steps; ++step) {
      const auto& batch = data.batches[next_++ % data.batches.size()];
      run().train_step(batch, data.words, as_graph);
      tokens += static_cast<double>(batch.tokens());
      gflop +=
          1e-9 * static_cast<double>(bench::step_flops(run().config(), batch, static_cast<Index>(data.words.size())));
    }
    cuda::synchronize();
    reply["ms"] = ms_since(start) / steps;
    reply["loss"] = run().take_losses();
    reply["tokens"] = tokens;
    reply["gflop"] = gflop;
  }

  void infer(const nlohmann::json& request, nlohmann::json& reply) {
    const auto& data = inputs(request);
    const PackedBatch& all = data.batches.front();
    cuda::synchronize();
    const auto start = Clock::now();
    const auto scores = run().infer(all, data.words, get<Index>(request, "batch_tokens"));
    reply["ms"] = ms_since(start);
    reply["scores"] = scores;
    reply["tokens"] = all.tokens();
    reply["gflop"] = 1e-9 * bench::forward_flops(run().config(), all, static_cast<Index>(data.words.size()));
  }

  std::unique_ptr<AnyRun> run_;
  std::string path_;
  bench::Inputs inputs_;
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
