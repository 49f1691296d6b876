// Launching: the one place where the library starts a kernel on a GPU.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <cloze/core/cuda.cuh>
#include <cloze/core/ids.hpp>

namespace cloze::kernels::cuda {

using cloze::cuda::check;

/// Dynamic shared memory that a block gets without being asked for it first.
inline constexpr std::size_t plain_shared_bytes = 48 * 1024;

namespace detail {

/// Lets `kernel` use so many bytes of shared memory. Throws [cloze.cuda.6] where the GPU has less.
inline void allow_shared(const void* kernel, std::size_t shared, const char* op) {
  struct Allowed {
    const void* kernel;
    int device;
    std::size_t shared;
  };
  thread_local std::vector<Allowed> all;  // a few kernels need it
  const int device = cloze::cuda::device();
  for (const Allowed& known : all)
    if (known.kernel == kernel && known.device == device && known.shared >= shared) return;
  int most = 0;
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), op);
  require(shared <= static_cast<std::size_t>(most), "cloze.cuda.6",
          "{}: a block needs {} bytes of shared memory, this GPU has {}", op, shared, most);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)), op);
  all.push_back({kernel, device, shared});
}

}  // namespace detail

/// Runs kernel(args…) on the calling thread's GPU and stream: `grid` blocks of `block` threads, each block with
/// `shared` bytes of dynamic shared memory. A grid without blocks is nothing to do. Does not wait. Throws
/// [cloze.cuda.6] where the launch is beyond the GPU's limits, and what check() throws; messages name `op`.
template <class... Parameters, class... Args>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared, const char* op, Args&&... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  require(grid.x <= 0x7FFFFFFFu && grid.y <= 65535u && grid.z <= 65535u, "cloze.cuda.6",
          "{}: a grid of {} x {} x {} blocks is more than a GPU takes", op, grid.x, grid.y, grid.z);
  if (shared > plain_shared_bytes) detail::allow_shared(reinterpret_cast<const void*>(kernel), shared, op);
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = cloze::cuda::stream();
  const cudaError_t status = cudaLaunchKernelEx(&config, kernel, std::forward<Args>(args)...);
  if (status == cudaSuccess) [[likely]]
    return;
  if (status == cudaErrorInvalidConfiguration || status == cudaErrorLaunchOutOfResources) {
    static_cast<void>(cudaGetLastError());
    fail("cloze.cuda.6", "{}: {} x {} x {} blocks of {} x {} x {} threads with {} bytes of shared memory: {}", op,
         grid.x, grid.y, grid.z, block.x, block.y, block.z, shared, cudaGetErrorString(status));
  }
  cloze::cuda::detail::raise(status, op);
}

/// Blocks of `each` that cover `count` things. Throws [cloze.cuda.6] where they are more than a grid takes.
inline unsigned blocks_for(Index count, Index each) {
  const Index blocks = (count + each - 1) / each;
  require(blocks <= 0x7FFFFFFF, "cloze.cuda.6", "{} things by {} are more blocks than a GPU takes", count, each);
  return static_cast<unsigned>(blocks);
}

}  // namespace cloze::kernels::cuda
