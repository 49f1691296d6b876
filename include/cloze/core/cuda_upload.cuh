// Uploaded: small lists of the host (ids, offsets, labels) in the GPU's memory, without waiting for the GPU.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include <cloze/core/cuda_pool.cuh>
#include <cloze/core/ids.hpp>

namespace cloze::cuda {

namespace detail {

/// One list: its copy on the host, which the copy engine can read, and the one on the GPU.
struct UploadSlot {
  void* pinned = nullptr;
  void* memory = nullptr;
  std::size_t room = 0, bytes = 0;
  std::size_t hash = 0;
  int holders = 0;
  std::uint64_t last_use = 0;
  cudaEvent_t copied = nullptr;
};

/// The lists that were uploaded last on one stream. The layers of a model ask for the same ones again and again, so a
/// list whose content is there already is not copied. A slot is used anew behind all that the stream had to do with it.
/// A step that is captured does not contain its uploads: they run at once on the stream that the step is launched on
/// next, so they are there when it runs, and whether a list has to be copied does not change the graph. Its slots are
/// held until the launch.
class UploadSlots {
 public:
  UploadSlot* find(const void* values, std::size_t bytes, cudaStream_t behind) {
    const std::size_t hash = std::hash<std::string_view>()({static_cast<const char*>(values), bytes});
    UploadSlot* stalest = nullptr;
    for (UploadSlot& slot : slots_) {
      if (slot.bytes == bytes && slot.hash == hash && std::memcmp(slot.pinned, values, bytes) == 0) return use(slot);
      if (slot.holders == 0 && slot.room >= bytes && slot.room <= 4 * rounded(bytes) &&
          (stalest == nullptr || slot.last_use < stalest->last_use))
        stalest = &slot;
    }
    // Taking pinned memory may wait for the GPU: a slot that nothing asked for lately is better than a new one.
    if (stalest == nullptr || (slots_.size() < most && clock_ - stalest->last_use < lately)) stalest = add(bytes);
    UploadSlot& slot = *stalest;
    check(cudaEventSynchronize(slot.copied), "waiting for an earlier upload");  // done long ago, as a rule
    slot.bytes = 0;                                                             // no list, should the copy fail
    std::memcpy(slot.pinned, values, bytes);
    check(cudaMemcpyAsync(slot.memory, slot.pinned, bytes, cudaMemcpyHostToDevice, behind), "uploading a list");
    check(cudaEventRecord(slot.copied, behind), "uploading a list");
    slot.bytes = bytes;
    slot.hash = hash;
    return use(slot);
  }

 private:
  static constexpr std::size_t most = 256;     // slots, then the stalest is used anew
  static constexpr std::uint64_t lately = 64;  // uploads

  static std::size_t rounded(std::size_t bytes) { return std::max<std::size_t>(256, DeviceHeap::rounded(bytes, 256)); }
  UploadSlot* use(UploadSlot& slot) {
    slot.last_use = ++clock_;
    ++slot.holders;
    if (capturing()) {
      auto& read = graph_step()->uploads;
      if (std::find(read.begin(), read.end(), &slot) == read.end()) {
        read.push_back(&slot);
        ++slot.holders;  // until the step is launched
      }
    }
    return &slot;
  }
  UploadSlot* add(std::size_t bytes) {
    UploadSlot slot;
    slot.room = 2 * rounded(bytes);
    check(cudaMallocHost(&slot.pinned, slot.room), "taking pinned memory of the host");
    check(cudaEventCreateWithFlags(&slot.copied, cudaEventDisableTiming), "making an event");
    slot.memory = DevicePool::instance().allocate_kept(slot.room);
    return &slots_.emplace_back(slot);
  }

  std::deque<UploadSlot> slots_;  // addresses stay
  std::uint64_t clock_ = 0;
};

struct Uploads {
  std::mutex mutex;
  std::map<std::pair<int, cudaStream_t>, UploadSlots> by_stream;

  static Uploads& instance() {
    static Uploads& uploads = *new Uploads;  // never destroyed, as the pool
    return uploads;
  }
  /// Behind the launch of a captured step, or where it is given up.
  void let_go(GraphStep& step) noexcept {
    const std::lock_guard lock(mutex);
    for (UploadSlot* slot : step.uploads) --slot->holders;
    step.uploads.clear();
  }
};

}  // namespace detail

/// `count` host elements as the kernels see them that are launched on the calling thread's stream while this object
/// lives. Does not wait for the GPU; the host's elements may change at once.
template <class T>
class Uploaded {
 public:
  Uploaded() = default;
  Uploaded(const T* values, Index count) {
    if (count == 0 || values == nullptr) return;
    detail::Uploads& all = detail::Uploads::instance();
    const cudaStream_t behind = detail::capturing() ? detail::graph_step()->launch : stream();
    const std::pair key{device(), behind};
    const std::lock_guard lock(all.mutex);
    slot_ = all.by_stream[key].find(values, static_cast<std::size_t>(count) * sizeof(T), behind);
  }
  Uploaded(Uploaded&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  Uploaded& operator=(Uploaded&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~Uploaded() {
    if (slot_ == nullptr) return;
    const std::lock_guard lock(detail::Uploads::instance().mutex);
    --slot_->holders;
  }

  /// In the GPU's memory; null for an empty list or where the host's pointer was null.
  const T* data() const { return slot_ ? static_cast<const T*>(slot_->memory) : nullptr; }

 private:
  detail::UploadSlot* slot_ = nullptr;
};

}  // namespace cloze::cuda
