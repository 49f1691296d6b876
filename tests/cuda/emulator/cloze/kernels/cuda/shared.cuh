// The emulator's twin of kernels/cuda/shared.cuh.
#pragma once

#include <cuda_runtime.h>

namespace cloze::kernels::cuda {

template <class T = unsigned char>
T* dynamic_shared() {
  return reinterpret_cast<T*>(emulator::Block::current().shared());
}

}  // namespace cloze::kernels::cuda
