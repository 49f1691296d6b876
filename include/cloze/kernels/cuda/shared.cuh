// The dynamic shared memory of a block. The tests' emulator has a twin of this file.
#pragma once

#include <cuda_runtime.h>

namespace cloze::kernels::cuda {

/// Its first byte: as many as the launch asked for, aligned to 1024.
template <class T = unsigned char>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(1024) unsigned char cloze_dynamic_shared[];
  return reinterpret_cast<T*>(cloze_dynamic_shared);
}

}  // namespace cloze::kernels::cuda
