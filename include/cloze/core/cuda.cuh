// The CUDA runtime as the library uses it: errors, the GPU of the calling thread, and its stream.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <cuda_runtime.h>

#include <cloze/core/error.hpp>

namespace cloze::cuda {

/// GPUs that one process can use.
inline constexpr int max_devices = 64;

namespace detail {

/// Throws for a failed call of the runtime. Failures of a missing driver or GPU, of memory and of the program's own
/// code for the GPU have ids of their own, wherever they show.
[[noreturn]] inline void raise(cudaError_t status, const std::string& doing) {
  static_cast<void>(cudaGetLastError());  // or the next call would report it again
  const char* text = cudaGetErrorString(status);
  switch (status) {
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInitializationError:
    case cudaErrorStubLibrary:
      fail("cloze.cuda.1", "{}: no GPU can be used: {}. A tensor on Cuda needs an NVIDIA GPU and its driver", doing,
           text);
    case cudaErrorMemoryAllocation:
      fail("cloze.cuda.3", "{}: out of memory on the GPU", doing);
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
      fail("cloze.cuda.5", "{}: this program holds no code for this GPU: {}. Compile it for the GPU's architecture",
           doing, text);
    default:
      fail("cloze.cuda.4", "{}: {} ({})", doing, text, cudaGetErrorName(status));
  }
}

}  // namespace detail

/// Throws unless the call went well: [cloze.cuda.1] without a driver or GPU, [cloze.cuda.3] without memory,
/// [cloze.cuda.4] otherwise. `doing` says what was tried. Kernels fail late: the call that reports a failure may be a
/// later one.
inline void check(cudaError_t status, const char* doing) {
  if (status != cudaSuccess) [[unlikely]]
    detail::raise(status, doing);
}

namespace detail {

struct UploadSlot;

/// The step of a StepGraph (cuda_graph.cuh) that the calling thread is in.
struct GraphStep {
  int device;
  std::uintptr_t memory;               // whose memory its tensors get: DevicePool
  cudaStream_t launch;                 // where it will run, and where lists of the host are uploaded at once
  bool captured;                       // else it runs as it is called
  std::vector<UploadSlot*> uploads{};  // lists that it reads
};

/// Null outside of any.
inline GraphStep*& graph_step() {
  thread_local GraphStep* step = nullptr;
  return step;
}
inline bool capturing() { return graph_step() != nullptr && graph_step()->captured; }

/// Throws [cloze.cuda.9] in a step that is captured: `doing` would wait for work that has not begun.
inline void not_captured(const char* doing) {
  require(!capturing(), "cloze.cuda.9",
          "{} inside the step of a StepGraph: the step is only recorded now and runs when it is complete. Read results "
          "behind run()",
          doing);
}
/// Throws [cloze.cuda.9] in any step of a StepGraph: `doing` would leave its stream.
inline void not_in_step(const char* doing) {
  require(graph_step() == nullptr, "cloze.cuda.9", "{} inside the step of a StepGraph: all of it runs on one stream",
          doing);
}

}  // namespace detail

/// How many GPUs there are. 0 without a driver; never throws.
inline int device_count() noexcept {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return 0;
  }
  return count;
}

/// The GPU on which the calling thread makes tensors and runs kernels: 0 at first. Throws [cloze.cuda.1].
inline int device() {
  int index = 0;
  check(cudaGetDevice(&index), "asking for the current GPU");
  return index;
}

/// Chooses it by index. A tensor stays on the GPU it was made on, and operations between GPUs are the caller's mistake.
/// Throws [cloze.cuda.1] without a GPU, [cloze.cuda.2] where there is none of that index, [cloze.cuda.9] inside a
/// StepGraph.
inline void use_device(int index) {
  detail::not_in_step("choosing a GPU");
  int count = 0;
  check(cudaGetDeviceCount(&count), "looking for GPUs");
  require(index >= 0 && index < count && index < max_devices, "cloze.cuda.2",
          "there is no GPU {}: GPUs 0 to {} are here", index, count - 1);
  check(cudaSetDevice(index), "choosing a GPU");
}

namespace detail {

/// The stream that the thread chose, by GPU; null: the GPU's default stream.
inline cudaStream_t& chosen_stream(int device) {
  thread_local std::array<cudaStream_t, max_devices> streams{};
  return streams[static_cast<std::size_t>(device)];
}

inline std::atomic<bool>& tf32_flag() {
  static std::atomic<bool> flag{false};
  return flag;
}

inline std::atomic<bool>& hopper_attention_flag() {
  static std::atomic<bool> flag{false};
  return flag;
}

}  // namespace detail

/// The stream on which the calling thread's kernels and copies run.
inline cudaStream_t stream() { return detail::chosen_stream(device()); }

/// Whether float products may round their factors to TF32 (10 bits of fraction instead of 23), which tensor cores
/// multiply about eight times as fast. Off at first; for the whole process.
inline void use_tf32(bool wanted) { detail::tf32_flag().store(wanted, std::memory_order_relaxed); }
inline bool tf32() { return detail::tf32_flag().load(std::memory_order_relaxed); }

/// Whether attention in 16 bits takes the kernels written for Hopper (wgmma and its copy engine), where the GPU is one,
/// the program was compiled for sm_90a, and sequences are long enough. Off at first; for the whole process.
inline void use_hopper_attention(bool wanted) {
  detail::hopper_attention_flag().store(wanted, std::memory_order_relaxed);
}
inline bool hopper_attention() { return detail::hopper_attention_flag().load(std::memory_order_relaxed); }

/// Waits until everything on the calling thread's stream is done, and throws what failed there. Throws [cloze.cuda.9]
/// where a StepGraph captures.
inline void synchronize() {
  detail::not_captured("waiting for the GPU");
  check(cudaStreamSynchronize(stream()), "waiting for the GPU");
}

}  // namespace cloze::cuda
