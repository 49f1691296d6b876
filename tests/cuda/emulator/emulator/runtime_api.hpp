// The part of the runtime API that the library calls: device memory is host memory. Streams and graphs: streams.hpp.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>

#include "emulator/streams.hpp"

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
inline constexpr unsigned cudaHostAllocDefault = 0;

inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "emulated error";
}
inline const char* cudaGetErrorName(cudaError_t error) { return error == cudaSuccess ? "cudaSuccess" : "cudaError"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaPeekAtLastError() { return cudaSuccess; }

namespace cloze::emulator {
/// What a test can make go wrong.
struct Faults {
  std::size_t largest = SIZE_MAX;    // bytes: device memory of more cannot be had
  cudaError_t no_gpu = cudaSuccess;  // what asking for the GPUs answers
  bool no_sm90a = false;             // the program has no code for sm_90a
};
inline Faults& faults() {
  static Faults faults;
  return faults;
}
}  // namespace cloze::emulator

inline cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  if (bytes > cloze::emulator::faults().largest) return cudaErrorMemoryAllocation;
  *p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!*p && bytes) return cudaErrorMemoryAllocation;
  if (*p) std::memset(*p, 0xFF, bytes);  // NaN: what was never written shows
  return cudaSuccess;
}
template <class T>
cudaError_t cudaMalloc(T** p, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(p), bytes);
}
/// Waits for everything, as the driver may: what still uses the memory runs first.
inline cudaError_t cudaFree(void* p) {
  if (const cudaError_t refused = cudaDeviceSynchronize(); refused != cudaSuccess) return refused;
  std::free(p);
  return cudaSuccess;
}

namespace cloze::emulator {
/// Memory of the host that a copy may read later; other memory is read before the copy's call returns.
struct Pinned {
  std::mutex mutex;
  std::map<const char*, std::size_t> pieces;
  static Pinned& instance() {
    static Pinned pinned;
    return pinned;
  }
  bool holds(const void* p) {
    const std::lock_guard lock(mutex);
    auto at = pieces.upper_bound(static_cast<const char*>(p));
    if (at == pieces.begin()) return false;
    --at;
    return static_cast<const char*>(p) < at->first + at->second;
  }
};
}  // namespace cloze::emulator

template <class T>
cudaError_t cudaMallocHost(T** p, std::size_t bytes) {
  const cudaError_t status = cudaMalloc(reinterpret_cast<void**>(p), bytes);
  auto& pinned = cloze::emulator::Pinned::instance();
  const std::lock_guard lock(pinned.mutex);
  if (status == cudaSuccess) pinned.pieces[reinterpret_cast<const char*>(*p)] = bytes;
  return status;
}
template <class T>
cudaError_t cudaHostAlloc(T** p, std::size_t bytes, unsigned) {
  return cudaMallocHost(p, bytes);
}
inline cudaError_t cudaFreeHost(void* p) {
  auto& pinned = cloze::emulator::Pinned::instance();
  {
    const std::lock_guard lock(pinned.mutex);
    pinned.pieces.erase(static_cast<const char*>(p));
  }
  return cudaFree(p);
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream = nullptr) {
  using namespace cloze::emulator;
  const auto move = [to, bytes](const void* source) {
    if (bytes) std::memmove(to, source, bytes);
  };
  if (captures(stream)) return issue(stream, Kind::copy, [move, from] { move(from); });
  if (kind == cudaMemcpyHostToDevice && behaviour().late && !Pinned::instance().holds(from)) {
    const std::string now(static_cast<const char*>(from), bytes);
    return issue(stream, Kind::copy, [move, now] { move(now.data()); });
  }
  const cudaError_t status = issue(stream, Kind::copy, [move, from] { move(from); });
  const bool waits = kind == cudaMemcpyDeviceToHost && behaviour().late && !Pinned::instance().holds(to);
  return waits && status == cudaSuccess ? cudaStreamSynchronize(stream) : status;
}
inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t status = cudaMemcpyAsync(to, from, bytes, kind);
  return status == cudaSuccess ? cudaStreamSynchronize(nullptr) : status;
}
inline cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream = nullptr) {
  return cloze::emulator::issue(stream, cloze::emulator::Kind::memset, [=] {
    if (bytes) std::memset(p, value, bytes);
  });
}
inline cudaError_t cudaMemset(void* p, int value, std::size_t bytes) { return cudaMemsetAsync(p, value, bytes); }
inline cudaError_t cudaMemset2DAsync(void* p, std::size_t pitch, int value, std::size_t width, std::size_t height,
                                     cudaStream_t stream = nullptr) {
  return cloze::emulator::issue(stream, cloze::emulator::Kind::memset_rows, [=] {
    for (std::size_t row = 0; row < height; ++row) std::memset(static_cast<char*>(p) + row * pitch, value, width);
  });
}
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = *total = cloze::emulator::faults().largest;
  return cudaSuccess;
}

inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cloze::emulator::faults().no_gpu;
}
inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cloze::emulator::faults().no_gpu;
}
inline cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }

struct cudaLaunchAttribute {};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};
enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout
};

namespace cloze::emulator {
/// The shared memory that a kernel was allowed, by its address.
inline std::map<const void*, std::size_t>& allowed_shared() {
  static std::map<const void*, std::size_t> bytes;
  return bytes;
}
}  // namespace cloze::emulator

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value > 227 * 1024) return cudaErrorInvalidValue;
  cloze::emulator::allowed_shared()[reinterpret_cast<const void*>(kernel)] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

struct cudaFuncAttributes {
  std::size_t sharedSizeBytes;
};
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  attributes->sharedSizeBytes = cloze::emulator::faults().no_sm90a ? 0 : 1024;
  return cudaSuccess;
}

/// Runs the grid before it returns, unless the stream is captured or late. What goes wrong inside a kernel is thrown.
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const std::size_t threads = std::size_t{config->blockDim.x} * config->blockDim.y * config->blockDim.z;
  const dim3 grid = config->gridDim;
  if (threads == 0 || threads > 1024 || config->blockDim.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
      grid.x > 0x7FFFFFFFu || grid.y > 65535 || grid.z > 65535)
    return cudaErrorInvalidConfiguration;
  const auto allowed = cloze::emulator::allowed_shared().find(reinterpret_cast<const void*>(kernel));
  if (config->dynamicSmemBytes > 48 * 1024 &&
      (allowed == cloze::emulator::allowed_shared().end() || allowed->second < config->dynamicSmemBytes))
    return cudaErrorInvalidValue;
  return cloze::emulator::issue(
      config->stream, cloze::emulator::Kind::kernel,
      [kernel, grid, block = config->blockDim, shared = config->dynamicSmemBytes,
       copies = std::tuple<std::decay_t<Parameters>...>(std::forward<Arguments>(arguments)...)] {
        cloze::emulator::run_grid(grid, block, shared, [&] {
          std::apply([&](const auto&... values) { kernel(static_cast<Parameters>(values)...); }, copies);
        });
      });
}

enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16, cudaDevAttrMaxSharedMemoryPerBlockOptin = 97 };
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? 4 : 227 * 1024;
  return cudaSuccess;
}
