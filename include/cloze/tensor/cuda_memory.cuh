// The memory of GPUs and copies to and from it. All of it runs on the calling thread's stream; only a copy to the host
// waits.
#pragma once

#include <cloze/core/cuda_upload.cuh>
#include <cloze/tensor/memory.hpp>

namespace cloze {

/// The pool of GPU memory. A tensor lies on the GPU that is the calling thread's when it is made: see cuda::use_device.
template <>
struct Memory<Cuda> {
  static constexpr bool host = false;
  static void* allocate(std::size_t bytes) { return cuda::DevicePool::instance().allocate(bytes); }
  static void release(void* memory, std::size_t) noexcept { cuda::DevicePool::instance().release(memory); }
  static void zero(void* memory, std::size_t bytes) {
    cuda::check(cudaMemsetAsync(memory, 0, bytes, cuda::stream()), "zeroing a tensor");
  }

  /// Bytes of all tensors on the calling thread's GPU.
  static MemoryStatistics statistics() { return cuda::DevicePool::instance().statistics(cuda::device()); }
  static void reset_peak() { cuda::DevicePool::instance().reset_peak(cuda::device()); }
  /// Gives what is not used back to the driver: after training, say.
  static void trim() { cuda::DevicePool::instance().trim(cuda::device()); }
};

/// Within a GPU, or between two of them.
template <>
struct Transfer<Cuda, Cuda> {
  static void copy(const void* from, void* to, std::size_t bytes) {
    cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, cuda::stream()), "copying on the GPU");
  }
};

/// From the host. Small pieces (start values, ids) go through the uploads' pinned memory; large ones are weights, and
/// the driver has taken them from the host's memory when this returns.
template <HostDevice From>
struct Transfer<From, Cuda> {
  static constexpr std::size_t small = std::size_t{1} << 16;

  static void copy(const void* from, void* to, std::size_t bytes) {
    if (bytes > small && !cuda::detail::capturing()) {  // a graph would read the host's memory when it runs
      cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, cuda::stream()), "copying to the GPU");
      return;
    }
    const cuda::Uploaded<char> there(static_cast<const char*>(from), static_cast<Index>(bytes));
    Transfer<Cuda, Cuda>::copy(there.data(), to, bytes);
  }
};

/// To the host: waits for the GPU. Throws [cloze.cuda.9] where a StepGraph captures.
template <HostDevice To>
struct Transfer<Cuda, To> {
  static void copy(const void* from, void* to, std::size_t bytes) {
    cuda::detail::not_captured("copying from the GPU");
    cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, cuda::stream()), "copying from the GPU");
    cuda::synchronize();
  }
};

}  // namespace cloze
