// DevicePool: GPU memory that the library keeps for its next step, ordered by streams, so that a training loop that
// runs neither takes memory from the driver nor waits for the GPU to give any back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include <cloze/core/cuda_heap.cuh>

namespace cloze::cuda {

/// The memory of all GPUs, from any thread. A block belongs to the stream it was taken for, and goes back there: what
/// is used on another stream as well must be waited for before its last handle goes. cudaMallocAsync does the same in
/// the driver. This pool costs a tenth of a call of it, knows exactly what is used and what was used at most, and gives
/// the steps of a StepGraph memory of their own, without a node for every tensor.
class DevicePool {
 public:
  static DevicePool& instance() {
    static DevicePool& pool = *new DevicePool;  // never destroyed: tensors may be static
    return pool;
  }

  /// Memory on the calling thread's GPU for its stream, aligned to 256 bytes. Throws [cloze.cuda.3] where the GPU has
  /// no more, even with what was kept for other streams given back, and [cloze.cuda.1] where there is no GPU.
  void* allocate(std::size_t bytes) {
    const detail::GraphStep* step = detail::graph_step();
    return allocate_for({device(), step ? step->memory : reinterpret_cast<std::uintptr_t>(stream())}, bytes);
  }
  /// Memory that is never released, apart from all streams': no work that is captured now and runs later had it before.
  void* allocate_kept(std::size_t bytes) { return allocate_for({device(), for_uploads}, bytes); }

  /// Any thread may release what any thread took. What a captured step releases is its own to use again; others' memory
  /// waits for the launch.
  void release(void* memory) noexcept {
    const std::lock_guard lock(mutex_);
    if (captures_ > 0 && must_wait(memory)) {
      waiting_.push_back(memory);
    } else {
      release_locked(memory);
    }
  }

  /// Around a step's capture and launch. Nothing is given back to the driver between them: the driver may refuse it,
  /// and the step has not used its memory yet.
  void begin_capture() {
    const std::lock_guard lock(mutex_);
    ++captures_;
  }
  void end_capture() noexcept {
    const std::lock_guard lock(mutex_);
    if (--captures_ > 0) return;
    for (void* memory : waiting_) release_locked(memory);
    waiting_.clear();
  }
  /// Memory for the steps of one StepGraph: its mark in GraphStep::memory. No stream's address is odd.
  std::uintptr_t new_owner() {
    const std::lock_guard lock(mutex_);
    return last_owner_ += 2;
  }
  /// Gives back what no tensor uses of it. The caller has waited for its work.
  void give_up(int of_device, std::uintptr_t owner) noexcept {
    const std::lock_guard lock(mutex_);
    const auto at = heaps_.find({of_device, owner});
    if (at == heaps_.end() || captures_ > 0) return;
    at->second.trim();
    if (at->second.small.held() + at->second.large.held() == 0) heaps_.erase(at);
  }

  /// Gives a GPU's unused memory back to the driver: after training, say. Waits for the GPU. Does nothing while a step
  /// is captured.
  void trim(int of_device) noexcept {
    const std::lock_guard lock(mutex_);
    trim_locked(of_device);
  }

  /// Bytes of one GPU.
  MemoryStatistics statistics(int of_device) const noexcept {
    const std::lock_guard lock(mutex_);
    const auto peak = peaks_.find(of_device);
    const MemoryStatistics now = sum(of_device);
    return {now.used, peak == peaks_.end() ? now.used : peak->second, now.held};
  }
  void reset_peak(int of_device) {
    const std::lock_guard lock(mutex_);
    peaks_[of_device] = sum(of_device).used;
  }

  /// false: every block comes from the driver and goes back at once, so that a memory checker sees misuse. Slow.
  void keep(bool wanted) {
    const std::lock_guard lock(mutex_);
    keep_ = wanted;
  }

 private:
  // Apart, so that a small block that lives long does not split the room for large ones.
  struct Heaps {
    detail::DeviceHeap small{std::size_t{2} << 20}, large{std::size_t{64} << 20};
    detail::DeviceHeap& of(std::size_t bytes) { return bytes < (std::size_t{1} << 18) ? small : large; }
    void trim() noexcept {
      small.trim();
      large.trim();
    }
  };
  using Owner = std::pair<int, std::uintptr_t>;  // a GPU, and a stream's address or a mark
  static constexpr std::uintptr_t for_uploads = 1;

  void* allocate_for(const Owner& owner, std::size_t bytes) {
    const int on = owner.first;
    const std::lock_guard lock(mutex_);
    if (!keep_) return allocate_direct(on, bytes);
    detail::DeviceHeap& heap = heaps_.try_emplace(owner).first->second.of(bytes);
    detail::DeviceBlock* block = heap.take(bytes);
    if (block == nullptr) {
      if (!heap.grow(bytes)) {
        trim_locked(on);
        if (!heap.grow(bytes)) out_of_memory(on, bytes);
      }
      block = heap.take(bytes);
    }
    used_.emplace(block->memory, block);
    note_peak(on);
    return block->memory;
  }

  /// Whether a release must wait for the launch of what is captured: memory that would go to the driver, and in a
  /// captured step memory of others.
  bool must_wait(void* memory) const noexcept {
    if (direct_.contains(memory)) return true;
    if (!detail::capturing()) return false;
    const detail::GraphStep& step = *detail::graph_step();
    const auto own = heaps_.find({step.device, step.memory});
    const detail::DeviceHeap* heap = used_.find(memory)->second->heap;
    return own == heaps_.end() || (heap != &own->second.small && heap != &own->second.large);
  }
  void release_locked(void* memory) noexcept {
    if (const auto direct = direct_.find(memory); direct != direct_.end()) {
      direct_used_[direct->second.first] -= direct->second.second;
      direct_.erase(direct);
      static_cast<void>(cudaFree(memory));
      return;
    }
    const auto at = used_.find(memory);
    detail::DeviceBlock* block = at->second;
    used_.erase(at);
    block->heap->give_back(block);
  }

  void* allocate_direct(int on, std::size_t bytes) {
    void* memory = nullptr;
    const cudaError_t status = cudaMalloc(&memory, std::max<std::size_t>(1, bytes));
    if (status == cudaErrorMemoryAllocation) out_of_memory(on, bytes);
    check(status, "taking memory of the GPU");
    direct_.emplace(memory, std::pair(on, bytes));
    direct_used_[on] += bytes;
    note_peak(on);
    return memory;
  }
  [[noreturn]] void out_of_memory(int on, std::size_t bytes) const {
    static_cast<void>(cudaGetLastError());
    std::size_t free = 0, total = 0;
    static_cast<void>(cudaMemGetInfo(&free, &total));
    const MemoryStatistics now = sum(on);
    fail("cloze.cuda.3",
         "out of memory on GPU {}: {} bytes wanted, {} of {} free, {} used by tensors of this program, {} kept", on,
         bytes, free, total, now.used, now.held - now.used);
  }
  void trim_locked(int of_device) noexcept {
    if (captures_ > 0) return;
    int before = 0;
    static_cast<void>(cudaGetDevice(&before));
    static_cast<void>(cudaSetDevice(of_device));
    for (auto& [key, heaps] : heaps_)
      if (key.first == of_device) heaps.trim();
    static_cast<void>(cudaSetDevice(before));
  }
  MemoryStatistics sum(int of_device) const noexcept {
    MemoryStatistics all;
    for (const auto& [key, heaps] : heaps_)
      if (key.first == of_device) {
        all.used += heaps.small.used() + heaps.large.used();
        all.held += heaps.small.held() + heaps.large.held();
      }
    if (const auto direct = direct_used_.find(of_device); direct != direct_used_.end()) {
      all.used += direct->second;
      all.held += direct->second;
    }
    return all;
  }
  void note_peak(int on) {
    std::size_t& peak = peaks_[on];
    peak = std::max(peak, sum(on).used);
  }

  mutable std::mutex mutex_;
  bool keep_ = true;
  int captures_ = 0;            // steps of graphs that are captured now
  std::vector<void*> waiting_;  // released meanwhile
  std::uintptr_t last_owner_ = for_uploads;
  std::map<Owner, Heaps> heaps_;
  std::unordered_map<void*, detail::DeviceBlock*, std::hash<void*>, std::equal_to<void*>,
                     PoolAllocator<std::pair<void* const, detail::DeviceBlock*>>>
      used_;
  std::map<void*, std::pair<int, std::size_t>> direct_;  // taken while nothing was kept: its GPU and size
  std::map<int, std::size_t> direct_used_, peaks_;       // by GPU
};

}  // namespace cloze::cuda
