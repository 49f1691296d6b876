// StepGraph: runs a training step as one CUDA graph, recorded anew at every step, so that the GPU does not wait for the
// host between kernels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <cloze/core/cuda_stream.cuh>

namespace cloze::cuda {

namespace detail {

/// While it lives, the calling thread is in `step`, and what it calls goes to `stream`.
class StepScope {
 public:
  StepScope(GraphStep& step, cudaStream_t stream)
      : device_(step.device), before_(std::exchange(chosen_stream(step.device), stream)) {
    graph_step() = &step;
  }
  StepScope(const StepScope&) = delete;
  ~StepScope() {
    graph_step() = nullptr;
    chosen_stream(device_) = before_;
  }

 private:
  int device_;
  cudaStream_t before_;
};

/// Memory and uploads of a step, from its capture to its launch or its end without one.
class StepHold {
 public:
  explicit StepHold(GraphStep& step) : step_(step) { DevicePool::instance().begin_capture(); }
  StepHold(const StepHold&) = delete;
  ~StepHold() {
    DevicePool::instance().end_capture();
    Uploads::instance().let_go(step_);
  }

 private:
  GraphStep& step_;
};

/// What a stream recorded.
class CapturedGraph {
 public:
  CapturedGraph() = default;
  CapturedGraph(const CapturedGraph&) = delete;
  ~CapturedGraph() {
    if (graph_) static_cast<void>(cudaGraphDestroy(graph_));
  }
  cudaGraph_t get() const { return graph_; }
  /// Ends the capture on `stream` that began there.
  cudaError_t take_from(cudaStream_t stream) { return cudaStreamEndCapture(stream, &graph_); }

 private:
  cudaGraph_t graph_ = nullptr;
};

}  // namespace detail

/// Runs steps of a loop as CUDA graphs on the calling thread's stream:
///   cuda::StepGraph graph;
///   for (…) graph.run([&] { loss = …; loss.backward(); optimizer.step(clip.factor()); optimizer.zero_grad(); });
/// Batches, lengths, dropout keys and step numbers differ from step to step, so each step is captured, put into the
/// executable graph of its kind and launched: the host prepares a step while the GPU is at the one before, and the GPU
/// runs a step without gaps. The first step runs as it is: what is made only once is made there.
///
/// Nothing in a step may wait for the GPU (item(), to_vector(), copies to the host, synchronize()), go to another
/// stream or GPU, or run another StepGraph: [cloze.cuda.9]. Behind run() a step's tensors are as any others: reading
/// one waits. Tensors made in a step have memory that only steps of this graph use. Numbers are those without the
/// graph, to the bit. An exception from the step goes through run(): nothing of the step has run then, but what its
/// code did on the host (drawn numbers, counted steps, new tensors) has happened: go on from a checkpoint, or end.
class StepGraph {
 public:
  struct Counts {
    Index steps = 0;  // asked for
    Index captures = 0, updates = 0, instantiations = 0;
  };

  StepGraph() : device_(cuda::device()), launch_(cuda::stream()), memory_(DevicePool::instance().new_owner()) {
    // One that does not wait for the default stream: uploads run there in the middle of a capture.
    check(cudaStreamCreateWithFlags(&capture_, cudaStreamNonBlocking), "making a stream");
  }
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;
  /// Waits for the last step. Tensors that steps have made live on.
  ~StepGraph() {
    static_cast<void>(cudaStreamSynchronize(launch_));
    for (const Executable& executable : executables_) static_cast<void>(cudaGraphExecDestroy(executable.graph));
    static_cast<void>(cudaStreamDestroy(capture_));
    DevicePool::instance().give_up(device_, memory_);
  }

  /// One step. Does not wait for the GPU. Errors: what `step` throws, [cloze.cuda.9] for what has no place in it,
  /// [cloze.cuda.10] where the calling thread has not the GPU and the stream that it had when this graph was made.
  template <class Step>
  void run(Step&& step) {
    detail::not_in_step("running a StepGraph");
    require(cuda::device() == device_ && cuda::stream() == launch_, "cloze.cuda.10",
            "a StepGraph is run on GPU {}: wanted GPU {} and the stream that it was made for", cuda::device(), device_);
    ++counts_.steps;
    detail::GraphStep state{.device = device_, .memory = memory_, .launch = launch_, .captured = begun_};
    if (!begun_) {
      const detail::StepScope in(state, launch_);
      step();
      begun_ = true;
      return;
    }
    const detail::StepHold hold(state);
    detail::CapturedGraph graph;
    check(cudaStreamBeginCapture(capture_, cudaStreamCaptureModeRelaxed), "capturing a step");
    try {
      const detail::StepScope in(state, capture_);
      step();
    } catch (...) {
      static_cast<void>(graph.take_from(capture_));
      static_cast<void>(cudaGetLastError());  // a capture that failed says so
      throw;
    }
    check(graph.take_from(capture_), "capturing a step");
    ++counts_.captures;
    launch(graph.get());
  }

  const Counts& counts() const { return counts_; }

 private:
  /// Graphs with as many nodes are likely to be alike: what differs between them is then a matter of an update. Batches
  /// of other sizes may need more or fewer kernels.
  struct Executable {
    std::size_t nodes;
    cudaGraphExec_t graph;
    Index last_step;
  };
  static constexpr std::size_t most = 8;

  void launch(cudaGraph_t graph) {
    std::size_t nodes = 0;
    check(cudaGraphGetNodes(graph, nullptr, &nodes), "counting a step's kernels");
    if (nodes == 0) return;
    auto at = std::find_if(executables_.begin(), executables_.end(), [&](const auto& e) { return e.nodes == nodes; });
    if (at != executables_.end() && !update(at->graph, graph)) {
      drop(at);
      at = executables_.end();
    }
    if (at == executables_.end()) {
      if (executables_.size() == most)
        drop(std::min_element(executables_.begin(), executables_.end(),
                              [](const auto& a, const auto& b) { return a.last_step < b.last_step; }));
      cudaGraphExec_t made = nullptr;
      check(cudaGraphInstantiate(&made, graph, 0), "making a step's graph");
      ++counts_.instantiations;
      at = executables_.insert(executables_.end(), {nodes, made, 0});
    }
    at->last_step = counts_.steps;
    check(cudaGraphLaunch(at->graph, launch_), "running a step's graph");
  }

  bool update(cudaGraphExec_t old, cudaGraph_t graph) {
    cudaGraphExecUpdateResultInfo result{};
    const cudaError_t status = cudaGraphExecUpdate(old, graph, &result);
    if (status == cudaErrorGraphExecUpdateFailure) {
      static_cast<void>(cudaGetLastError());
      return false;
    }
    check(status, "updating a step's graph");
    ++counts_.updates;
    return true;
  }

  /// Waits: the GPU may be at it.
  void drop(std::vector<Executable>::iterator at) {
    check(cudaStreamSynchronize(launch_), "waiting for the GPU");
    static_cast<void>(cudaGraphExecDestroy(at->graph));
    executables_.erase(at);
  }

  int device_;
  cudaStream_t launch_, capture_ = nullptr;
  std::uintptr_t memory_;
  bool begun_ = false;
  Counts counts_;
  std::vector<Executable> executables_;
};

}  // namespace cloze::cuda
