#include <cloze/core/cuda_graph.cuh>

#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include <cloze/kernels/cuda/launch.cuh>
#include <cloze/tensor/tensor.hpp>

#include "support/gpu.hpp"

using cloze::Cpu;
using cloze::Cuda;
using cloze::Index;
using cloze::Memory;
using cloze::Tensor;
using cloze::cuda::StepGraph;
using cloze::cuda::Uploaded;
using cloze::kernels::cuda::launch;

namespace {

__global__ void add_to(float* x, Index size, float by) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < size) x[i] += by;
}
__global__ void add_list(float* x, Index size, const Index* list) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < size) x[i] += static_cast<float>(list[i]);
}

void add(Tensor<float, Cuda>& x, float by) { launch(add_to, dim3(1), dim3(128), 0, "add", x.data(), x.size(), by); }
/// Through a list of the host that is gone when the call returns.
void add(Tensor<float, Cuda>& x, std::vector<Index> list) {
  const Uploaded<Index> there(list.data(), x.size());
  launch(add_list, dim3(1), dim3(128), 0, "add a list", x.data(), x.size(), there.data());
  list.assign(list.size(), -1000);
}

/// On the emulator: everything runs at once, or as late as a stream may.
template <class F>
void both_ways(F&& f) {
  f();
#ifdef CLOZE_CUDA_EMULATOR
  cloze::emulator::behaviour().late = true;
  f();
  cloze::cuda::check(cudaDeviceSynchronize(), "ending a test");
  cloze::emulator::behaviour().late = false;
#endif
}

std::vector<float> equal_values(float value, std::size_t size = 5) { return std::vector<float>(size, value); }

}  // namespace

TEST_CASE("a graph's step runs once a call with the arguments of that call, and not before it is complete", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    auto x = Tensor<float, Cuda>::zeros({5});
    StepGraph graph;
    float sum = 0;
    for (int step = 1; step <= 6; ++step) {
      graph.run([&] {
#ifdef CLOZE_CUDA_EMULATOR
        const long before = cloze::emulator::counters().launches;
#endif
        add(x, static_cast<float>(step));
        add(x, 0.5f);
#ifdef CLOZE_CUDA_EMULATOR
        if (step > 1) CHECK(cloze::emulator::counters().launches == before);
#endif
      });
      sum += static_cast<float>(step) + 0.5f;
      if (step % 2 == 0) CHECK(x.to_vector() == equal_values(sum));
    }
    add(x, 1.0f);  // in order with what comes behind
    CHECK(x.to_vector() == equal_values(sum + 1));
    CHECK(graph.counts().steps == 6);
    CHECK(graph.counts().captures == 5);
    CHECK(graph.counts().instantiations == 1);
    CHECK(graph.counts().updates == 4);
  });
}

TEST_CASE("steps of other shapes get graphs of their own, which are found again", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    auto x = Tensor<float, Cuda>::zeros({5});
    StepGraph graph;
    float sum = 0;
    for (int step = 0; step < 30; ++step)
      graph.run([&] {
        for (int i = 0; i <= step % 3; ++i) add(x, 1);
        sum += static_cast<float>(step % 3 + 1);
      });
    CHECK(x.to_vector() == equal_values(sum));
    CHECK(graph.counts().instantiations == 3);
    CHECK(graph.counts().updates == 26);
    graph.run([] {});
    CHECK(graph.counts().instantiations == 3);
    for (int kinds = 0; kinds < 30; ++kinds)  // more than are kept
      graph.run([&] {
        for (int i = 0; i <= kinds % 15; ++i) add(x, 1);
        sum += static_cast<float>(kinds % 15 + 1);
      });
    CHECK(x.to_vector() == equal_values(sum));
  });
}

TEST_CASE("tensors made in a step are read behind it, and its memory serves the next one", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    std::vector<Tensor<float, Cuda>> kept;
    std::size_t held = 0;
    {
      StepGraph graph;
      for (int step = 0; step < 12; ++step) {
        graph.run([&] {
          auto first = Tensor<float, Cuda>::full({5}, 2.0f);
          add(first, static_cast<float>(step));
          { auto other = Tensor<float, Cuda>::zeros({300'000}); }
          auto second = Tensor<float, Cuda>::zeros({5});
          add(second, static_cast<float>(step));
          cloze::copy_elements<Cuda, Cuda>(first.data(), second.data(), 3);
          kept.push_back(second);
        });
        if (step == 2) held = Memory<Cuda>::statistics().held;
      }
      if (!cloze::test::direct_gpu_memory()) CHECK(Memory<Cuda>::statistics().held == held);
    }
    for (std::size_t step = 0; step < kept.size(); ++step) {
      const auto s = static_cast<float>(step);
      CHECK(kept[step].to_vector() == std::vector<float>{2 + s, 2 + s, 2 + s, s, s});
    }
  });
}

TEST_CASE("a step's lists are those of its own call, whether they were uploaded before or not", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    auto x = Tensor<float, Cuda>::zeros({3});
    const std::vector<Index> always{5, 6, 7};
    std::vector<float> wanted(3);
    StepGraph graph;
    for (Index step = 0; step < 40; ++step) {
      graph.run([&] {
        add(x, always);
        for (Index i = 0; i < 12; ++i) add(x, {step, i, step * i});  // more lists than a slot's rest lasts
        add(x, {1, step / 4, 2});                                    // the same for four steps
      });
      for (std::size_t c = 0; c < 3; ++c) wanted[c] += static_cast<float>(always[c]);
      for (Index i = 0; i < 12; ++i) {
        wanted[0] += static_cast<float>(step);
        wanted[1] += static_cast<float>(i);
        wanted[2] += static_cast<float>(step * i);
      }
      wanted[0] += 1, wanted[1] += static_cast<float>(step / 4), wanted[2] += 2;
      if (step % 7 == 0) add(x, {0, 0, 0});  // outside, of the same lists
    }
    CHECK(x.to_vector() == wanted);
    CHECK(graph.counts().instantiations == 1);  // uploads are no part of it
  });
}

TEST_CASE("a list that needs a new place does not get one that its step writes before", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    auto x = Tensor<float, Cuda>::zeros({3});
    StepGraph graph;
    for (Index step = 0; step < 3; ++step)
      graph.run([&] {
        for (const Index size : {20'000, 40'000, 80'000}) {
          { const auto same_size = Tensor<float, Cuda>::zeros({4 * size + 64}); }  // 2 x the list, rounded
          const std::vector<Index> list(static_cast<std::size_t>(size), step + 1);
          const Uploaded<Index> there(list.data(), size);
          launch(add_list, dim3(1), dim3(128), 0, "add a list", x.data(), 3, there.data());
        }
      });
    CHECK(x.to_vector() == equal_values(18, 3));
  });
}

TEST_CASE("a large copy from the host inside a step is the host's memory as it was then", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    StepGraph graph;
    std::vector<Tensor<float, Cuda>> made;
    for (int step = 0; step < 3; ++step) {
      std::vector<float> values(50'000, static_cast<float>(step));
      graph.run([&] { made.push_back(Tensor<float, Cuda>::from(values, {50'000})); });
      values.assign(values.size(), -1);
    }
    for (int step = 0; step < 3; ++step)
      CHECK(made[static_cast<std::size_t>(step)].to_vector() == equal_values(static_cast<float>(step), 50'000));
  });
}

TEST_CASE("what waits for the GPU or leaves the stream inside a captured step is an error, and loses only the step",
          "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    auto x = Tensor<float, Cuda>::zeros({1});
    const cloze::cuda::Stream other;
    StepGraph graph, second;
    const auto used = Memory<Cuda>::statistics().used;
    graph.run([&] { CHECK(x.item() == 0); });  // the first step may
    REQUIRE_ERROR(graph.run([&] { add(x, 1), x.item(); }), "cloze.cuda.9");
    REQUIRE_ERROR(graph.run([&] { add(x, 1), x.to_vector(); }), "cloze.cuda.9");
    REQUIRE_ERROR(graph.run([&] { add(x, 1), cloze::cuda::synchronize(); }), "cloze.cuda.9");
    REQUIRE_ERROR(graph.run([&] { add(x, 1), second.run([] {}); }), "cloze.cuda.9");
    REQUIRE_ERROR(graph.run([&] { const cloze::cuda::StreamScope scope(other); }), "cloze.cuda.9");
    REQUIRE_ERROR(graph.run([&] { cloze::cuda::use_device(0); }), "cloze.cuda.9");
    {
      const cloze::cuda::StreamScope scope(other);
      REQUIRE_ERROR(graph.run([] {}), "cloze.cuda.10");
    }
    CHECK(x.item() == 0);
    CHECK(Memory<Cuda>::statistics().used == used);
    graph.run([&] { add(x, 3); });
    CHECK(x.item() == 3);
  });
}

TEST_CASE("an exception from a step ends its capture and leaves memory, lists and streams as good as before",
          "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    auto x = Tensor<float, Cuda>::zeros({3});
    const auto before = cloze::cuda::stream();
    StepGraph graph;
    const auto used = Memory<Cuda>::statistics().used;
    for (int step = 0; step < 9; ++step) {
      const auto once = [&] {
        const auto temporary = Tensor<float, Cuda>::empty({400'000});
        add(x, {step, 2, 3});
        if (step % 3 == 2) throw std::runtime_error("no batch");
        add(x, {step, 4, 4});
      };
      if (step % 3 == 2) {
        CHECK_THROWS_AS(graph.run(once), std::runtime_error);
      } else {
        graph.run(once);
      }
      CHECK(cloze::cuda::stream() == before);
    }
    CHECK(x.to_vector() == std::vector<float>{2 * (0 + 1 + 3 + 4 + 6 + 7), 36, 42});
    add(x, {2, 2, 3});  // a list of a step that was lost
    CHECK(x.to_vector() == std::vector<float>{44, 38, 45});
    CHECK(Memory<Cuda>::statistics().used < used + 1'000'000);  // lists keep their place
    CHECK(graph.counts().instantiations == 1);
  });
}

TEST_CASE("memory of others that a step releases is not used before the step has run", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    StepGraph graph;
    graph.run([] {});
    auto result = Tensor<float, Cuda>::zeros({5});
    auto outside = Tensor<float, Cuda>::full({5}, 7.0f);
    const void* place = outside.data();
    graph.run([&] {
      add(outside, 1);
      cloze::copy_elements<Cuda, Cuda>(outside.data(), result.data(), 5);
      outside = {};
      const void* within = nullptr;
      {
        const auto large = Tensor<float, Cuda>::zeros({9'000'000}), small = Tensor<float, Cuda>::zeros({5});
        within = small.data();
      }
      Memory<Cuda>::trim();  // does nothing yet
      std::thread([&] {      // who shares the default stream
        auto mine = Tensor<float, Cuda>::zeros({5});
        CHECK(static_cast<const void*>(mine.data()) != place);
        CHECK(static_cast<const void*>(mine.data()) != within);
        cloze::cuda::synchronize();
      })
          .join();
    });
    CHECK(result.to_vector() == equal_values(8));
  });
}

TEST_CASE("two graphs take turns, and tensors of one are read by the other", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    Tensor<float, Cuda> between;
    auto x = Tensor<float, Cuda>::zeros({5});
    StepGraph first;
    {
      StepGraph second;
      for (int step = 0; step < 5; ++step) {
        first.run([&] {
          between = Tensor<float, Cuda>::full({5}, static_cast<float>(step));
          add(between, 1);
        });
        second.run([&] {
          const auto copy = between.clone();
          add(between, 10);
          cloze::copy_elements<Cuda, Cuda>(copy.data(), x.data(), 4);
        });
        CHECK(x.to_vector()[0] == static_cast<float>(step + 1));
      }
    }
    first.run([&] { add(between, 100); });
    CHECK(between.to_vector() == equal_values(115));
  });
}

TEST_CASE("a graph runs on the stream that it was made on", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  both_ways([] {
    const cloze::cuda::Stream stream;
    const cloze::cuda::StreamScope scope(stream);
    auto x = Tensor<float, Cuda>::zeros({3});
    StepGraph graph;
    for (Index step = 0; step < 4; ++step) graph.run([&] { add(x, {step, 1, 1}); });
    CHECK(x.to_vector() == std::vector<float>{6, 4, 4});
  });
}

#ifdef CLOZE_CUDA_EMULATOR
TEST_CASE("a graph that cannot be updated is made anew", "[cuda]") {
  auto x = Tensor<float, Cuda>::zeros({5});
  StepGraph graph;
  for (int step = 0; step < 6; ++step) {
    if (step == 3) cloze::emulator::Streams::instance().refused_updates = 1;
    graph.run([&] { add(x, 1); });
  }
  CHECK(x.to_vector() == equal_values(6));
  CHECK(graph.counts().instantiations == 2);
  CHECK(graph.counts().updates == 3);
}

TEST_CASE("the emulator refuses what a driver refuses while it captures", "[cuda]") {
  const auto lost = [](unsigned flags, auto&& call, cudaError_t wanted) {
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    REQUIRE(cudaStreamCreateWithFlags(&stream, flags) == cudaSuccess);
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaSuccess);
    CHECK(call(stream) == wanted);
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    if (graph) static_cast<void>(cudaGraphDestroy(graph));
    static_cast<void>(cudaStreamDestroy(stream));
    return ended == cudaErrorStreamCaptureInvalidated;
  };
  int value = 0;
  void* memory = nullptr;
  REQUIRE(cudaMalloc(&memory, 4) == cudaSuccess);
  const auto use_default = [&](cudaStream_t) { return cudaMemsetAsync(&value, 0, 4); };
  CHECK(lost(cudaStreamNonBlocking, cudaStreamSynchronize, cudaErrorStreamCaptureUnsupported));
  CHECK(lost(
      cudaStreamNonBlocking, [](cudaStream_t) { return cudaDeviceSynchronize(); }, cudaErrorStreamCaptureUnsupported));
  CHECK(lost(
      cudaStreamNonBlocking, [&](cudaStream_t) { return cudaFree(memory); }, cudaErrorStreamCaptureUnsupported));
  CHECK(lost(cudaStreamDefault, use_default, cudaErrorStreamCaptureImplicit));
  CHECK_FALSE(lost(cudaStreamNonBlocking, use_default, cudaSuccess));
  cudaEvent_t event = nullptr;
  REQUIRE(cudaEventCreate(&event) == cudaSuccess);
  CHECK_FALSE(lost(
      cudaStreamNonBlocking,
      [&](cudaStream_t stream) {
        CHECK(cudaEventRecord(event, stream) == cudaSuccess);
        return cudaEventSynchronize(event);
      },
      cudaErrorCapturedEvent));
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeRelaxed) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaFree(memory) == cudaSuccess);
  CHECK(cudaEventDestroy(event) == cudaSuccess);
}
#endif
