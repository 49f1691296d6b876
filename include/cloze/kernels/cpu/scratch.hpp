// Memory that kernels use while they run: one growing block per thread, kept between calls.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/tensor/storage.hpp>

namespace cloze::kernels {

/// At least `size` elements of this thread's scratch, cache-line aligned, contents arbitrary. The next call on the same
/// thread for the same T hands out the same memory: take all that a task needs in one call.
template <class T>
T* thread_scratch(Index size) {
  thread_local Storage<T, Cpu> block;
  if (block.size() < size) {
    block = {};  // never hold the old and the new one at once
    block = Storage<T, Cpu>(size);
  }
  return block.data();
}

}  // namespace cloze::kernels
