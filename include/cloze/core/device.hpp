// Device tags. A device is a tag here, an allocator in tensor/storage.hpp and kernels under kernels/: nothing else.
#pragma once

// Where kernels for Cuda are compiled: by nvcc, or by a host compiler for the tests' emulator of a GPU.
#if defined(__CUDACC__) || defined(CLOZE_CUDA_EMULATOR)
#define CLOZE_CUDA_UNIT
#endif

#include <concepts>
#include <string_view>

#include <cloze/core/dtype.hpp>

namespace cloze {

/// Fast CPU kernels: Eigen GEMM, xsimd, threads.
struct Cpu {
  static constexpr std::string_view name = "cpu";
};

/// Plain loops over memory of their own: no SIMD, no threads, no library. The independent answer to every kernel.
struct Reference {
  static constexpr std::string_view name = "reference";
};

/// NVIDIA GPUs: kernels of our own and cuBLASLt. Which GPU: cuda::use_device(). Its memory and its kernels are declared
/// in units that nvcc compiles only.
struct Cuda {
  static constexpr std::string_view name = "cuda";
};

template <class D>
concept Device = requires {
  { D::name } -> std::convertible_to<std::string_view>;
};

/// Elements of tensors. BFloat16 is for devices that compute with it: Cuda.
template <class T>
concept Scalar = std::floating_point<T> || std::same_as<T, BFloat16>;

}  // namespace cloze
