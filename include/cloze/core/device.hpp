// Device tags. A device is a tag here, an allocator in tensor/storage.hpp and kernels under kernels/: nothing else.
#pragma once

#include <concepts>
#include <string_view>

namespace cloze {

/// Fast CPU kernels: Eigen GEMM, xsimd, threads.
struct Cpu {
  static constexpr std::string_view name = "cpu";
};

/// Plain loops over memory of their own: no SIMD, no threads, no library. The independent answer to every kernel.
struct Reference {
  static constexpr std::string_view name = "reference";
};

template <class D>
concept Device = requires {
  { D::name } -> std::convertible_to<std::string_view>;
};

/// Scalars that tensors compute in.
template <class T>
concept Scalar = std::floating_point<T>;

}  // namespace cloze
