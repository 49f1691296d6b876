// Storage: a shared block of a device's memory.
#pragma once

#include <memory>
#include <new>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/tensor/memory.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/tensor/cuda_memory.cuh>
#endif

namespace cloze {

/// A shared block of `size` elements, uninitialised.
template <class T, Device D>
class Storage {
  static_assert(
      requires { Memory<D>::host; },
      "cloze: this device has no memory here; for Cuda the source file must be compiled by nvcc");

 public:
  Storage() = default;
  explicit Storage(Index size) : size_(size) {
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    if (size == 0) return;
    data_ = std::shared_ptr<T>(
        static_cast<T*>(allocate(bytes)), [bytes](T* p) { Memory<D>::release(p, bytes); }, PoolAllocator<T>());
  }

  T* data() const { return data_.get(); }
  Index size() const { return size_; }
  void zero() const {
    if (size_ != 0) Memory<D>::zero(data_.get(), static_cast<std::size_t>(size_) * sizeof(T));
  }
  bool shares(const Storage& other) const { return data_ != nullptr && data_ == other.data_; }

 private:
  static void* allocate(std::size_t bytes) {
    try {
      return Memory<D>::allocate(bytes);
    } catch (const std::bad_alloc&) {
      fail("cloze.tensor.3", "out of memory: {} bytes on {}", bytes, D::name);
    }
  }

  std::shared_ptr<T> data_;
  Index size_ = 0;
};

/// Copies `size` elements between devices.
template <Device From, Device To, class T>
void copy_elements(const T* from, T* to, Index size) {
  if (size != 0) Transfer<From, To>::copy(from, to, static_cast<std::size_t>(size) * sizeof(T));
}

}  // namespace cloze
