// The free and the used blocks of a GPU's memory, for one stream: best fit, splitting, joining of neighbours. The
// records of the blocks lie on the host.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <set>
#include <utility>

#include <cloze/core/cuda.cuh>
#include <cloze/core/pool.hpp>

namespace cloze::cuda::detail {

class DeviceHeap;

/// A piece of a segment that cudaMalloc gave.
struct DeviceBlock {
  DeviceHeap* heap;
  char* memory;
  std::size_t bytes;
  DeviceBlock* before = nullptr;  // its neighbours in the segment
  DeviceBlock* after = nullptr;
  bool free = false;
};

/// What is released is handed out again at once, although the GPU may still be at work on it: whatever comes next runs
/// on the same stream, behind that work. Not synchronised.
class DeviceHeap {
 public:
  static constexpr std::size_t unit = 512;  // bytes; a segment itself begins at a multiple of 256

  /// Takes at least so many bytes from the GPU at once.
  explicit DeviceHeap(std::size_t segment_bytes) : segment_bytes_(segment_bytes) {}
  DeviceHeap(const DeviceHeap&) = delete;

  /// A free block of at least so many bytes, now used; null where there is none.
  DeviceBlock* take(std::size_t bytes) {
    bytes = rounded(bytes, unit);
    const auto at = free_.lower_bound({bytes, nullptr});
    if (at == free_.end()) return nullptr;
    DeviceBlock* block = at->second;
    free_.erase(at);
    block->free = false;
    if (block->bytes > bytes) {
      DeviceBlock* rest = make({this, block->memory + bytes, block->bytes - bytes, block, block->after});
      if (rest->after) rest->after->before = rest;
      block->after = rest;
      block->bytes = bytes;
      insert(rest);
    }
    used_ += block->bytes;
    return block;
  }

  void give_back(DeviceBlock* block) noexcept {
    used_ -= block->bytes;
    if (block->after && block->after->free) absorb(block, block->after);
    if (block->before && block->before->free) {
      DeviceBlock* before = block->before;
      erase(before);
      swallow(before, block);
      block = before;
    }
    insert(block);
  }

  /// A new segment that holds so many bytes, as a free block. False where the GPU has no more.
  bool grow(std::size_t bytes) {
    bytes = std::max(rounded(bytes, unit), segment_bytes_);
    void* memory = nullptr;
    const cudaError_t status = cudaMalloc(&memory, bytes);
    if (status == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      return false;
    }
    check(status, "taking memory of the GPU");
    held_ += bytes;
    insert(make({this, static_cast<char*>(memory), bytes}));
    return true;
  }

  /// Gives back the segments in which nothing is used. The driver waits for the work on them.
  void trim() noexcept {
    for (auto at = free_.begin(); at != free_.end();) {
      DeviceBlock* block = at->second;
      if (block->before || block->after) {
        ++at;
        continue;
      }
      at = free_.erase(at);
      static_cast<void>(cudaFree(block->memory));
      held_ -= block->bytes;
      forget(block);
    }
  }

  std::size_t used() const noexcept { return used_; }
  std::size_t held() const noexcept { return held_; }

  static std::size_t rounded(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

 private:
  using Entry = std::pair<std::size_t, DeviceBlock*>;  // the smallest that fits, the lowest address among equals
  struct Order {
    bool operator()(const Entry& a, const Entry& b) const {
      if (a.first != b.first) return a.first < b.first;
      if (a.second == nullptr || b.second == nullptr) return a.second == nullptr && b.second != nullptr;
      return std::less<>()(a.second->memory, b.second->memory);
    }
  };

  static DeviceBlock* make(const DeviceBlock& block) {
    return new (Pool::host().allocate(sizeof(DeviceBlock))) DeviceBlock(block);
  }
  static void forget(DeviceBlock* block) noexcept { Pool::host().release(block, sizeof(DeviceBlock)); }
  void insert(DeviceBlock* block) {
    block->free = true;
    free_.insert({block->bytes, block});
  }
  void erase(DeviceBlock* block) noexcept {
    free_.erase({block->bytes, block});
    block->free = false;
  }
  void absorb(DeviceBlock* block, DeviceBlock* neighbour) noexcept {
    erase(neighbour);
    swallow(block, neighbour);
  }
  static void swallow(DeviceBlock* block, DeviceBlock* neighbour) noexcept {
    block->bytes += neighbour->bytes;
    block->after = neighbour->after;
    if (block->after) block->after->before = block;
    forget(neighbour);
  }

  std::size_t segment_bytes_;
  std::size_t used_ = 0, held_ = 0;
  std::set<Entry, Order, PoolAllocator<Entry>> free_;
};

}  // namespace cloze::cuda::detail
