// A test that needs a GPU: says so and stops where there is none. The emulator always has one.
#pragma once

#include <cstdlib>

#include <cloze/core/cuda_pool.cuh>

#include "support/catch.hpp"

namespace cloze::test {

/// Where CLOZE_TEST_CUDA_DIRECT is set, every tensor has memory of its own from the driver, so that a memory checker
/// sees what is read or written beside it.
inline bool direct_gpu_memory() {
  static const bool direct = [] {
    const bool wanted = std::getenv("CLOZE_TEST_CUDA_DIRECT") != nullptr;
    if (wanted) cuda::DevicePool::instance().keep(false);
    return wanted;
  }();
  return direct;
}

}  // namespace cloze::test

#define CLOZE_GPU_OR_SKIP()                                                                     \
  if (cloze::cuda::device_count() == 0) {                                                       \
    WARN("skipped: no GPU or no driver here; this shows only that nvcc compiles what it runs"); \
    return;                                                                                     \
  }                                                                                             \
  static_cast<void>(cloze::test::direct_gpu_memory())
