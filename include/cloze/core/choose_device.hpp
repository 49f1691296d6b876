// A device by its name, as programs take it from their command line.
#pragma once

#include <charconv>
#include <string_view>
#include <utility>

#include <cloze/core/device.hpp>
#include <cloze/core/error.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/core/cuda.cuh>
#endif

namespace cloze {

/// Calls f with the tag of the device called "cpu", "cuda" (GPU 0) or "cuda:N", which becomes the calling thread's GPU.
/// f must give the same type for each. Throws [cloze.device.1] for another name, [cloze.device.2] for a GPU in a
/// program that nvcc did not compile, [cloze.cuda.1] and [cloze.cuda.2] where the GPU is not there. It is never
/// replaced.
template <class F>
decltype(auto) with_device(std::string_view name, F&& f) {
  if (name == Cpu::name) return std::forward<F>(f)(Cpu{});
  int index = 0;
  if (name != Cuda::name) {
    const bool numbered = name.starts_with("cuda:");
    const std::string_view digits = numbered ? name.substr(5) : std::string_view();
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    require(numbered && status == std::errc() && end == digits.data() + digits.size(), "cloze.device.1",
            "no device is called \"{}\": cpu, cuda or cuda:N", name);
  }
#ifdef CLOZE_CUDA_UNIT
  cuda::use_device(index);
  return std::forward<F>(f)(Cuda{});
#else
  fail("cloze.device.2",
       "device \"{}\": this program was compiled without CUDA; nvcc and its libraries make it one with", name);
#endif
}

}  // namespace cloze
