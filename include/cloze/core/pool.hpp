// Pool: memory that the library keeps for its next step, so that a training loop that runs takes nothing from the
// system. Segregated free lists with best fit, splitting and joining of neighbours (Masmano et al.: "TLSF: a new
// dynamic memory allocator for real-time systems", 2004): tensors whose sizes differ from step to step share the same
// bytes.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <type_traits>
#include <vector>

namespace cloze {

/// Bytes of a pool.
struct MemoryStatistics {
  std::size_t used = 0;  // handed out now
  std::size_t peak = 0;  // the most that was handed out at once, since reset_peak()
  std::size_t held = 0;  // taken from the system; what was never written to is only reserved
};

namespace detail {

/// The free and the used blocks of some segments of memory. Not synchronised.
class Heap {
 public:
  static constexpr std::size_t unit = 64;  // bytes: blocks begin at cache lines

  /// Takes at least so many bytes from the system at once.
  explicit Heap(std::size_t segment_bytes) : segment_units_(segment_bytes / unit) {}

  void* allocate(std::size_t bytes) {
    const std::size_t units = (bytes + unit - 1) / unit + 1;
    Block* block = find(units);
    if (block == nullptr) block = grow(units);
    remove(block);
    if (block->units > units + 1) {  // the rest has room for more than its own header
      Block* rest = block + units;
      *rest = Block{.units = block->units - units, .before = block, .last = block->last};
      block->units = units;
      block->last = false;
      if (!rest->last) after(rest)->before = rest;
      insert(rest);
    }
    used_ += block->units * unit;
    return block + 1;
  }

  void release(void* memory) noexcept {
    Block* block = static_cast<Block*>(memory) - 1;
    used_ -= block->units * unit;
    if (!block->last && after(block)->free) join(block, after(block));
    if (block->before != nullptr && block->before->free) {
      Block* before = block->before;
      remove(before);
      absorb(before, block);
      block = before;
    }
    insert(block);
  }

  /// Gives back the segments in which nothing is used.
  void trim() noexcept {
    for (Block* head : lists_)
      while (head != nullptr) {
        Block* block = head;
        head = head->next;
        if (block->before != nullptr || !block->last) continue;
        remove(block);
        held_ -= block->units * unit;
        ::operator delete (static_cast<void*>(block), std::align_val_t{unit});
      }
  }

  std::size_t used() const noexcept { return used_; }
  std::size_t held() const noexcept { return held_; }

 private:
  struct alignas(unit) Block {  // before the memory that is handed out
    std::size_t units;          // with this header
    Block* before;              // its neighbour in the segment; null for the first one
    bool last = false;          // of its segment
    bool free = false;
    Block* next = nullptr;  // in the list of free blocks
    Block* previous = nullptr;
  };
  static_assert(sizeof(Block) == unit);

  // Classes: one for each small size, then eight for each power of two.
  static constexpr int exact = 16;
  static constexpr int classes = exact + 8 * (64 - 4);

  static int class_of(std::size_t units) {
    if (units < exact) return static_cast<int>(units);
    const int power = std::bit_width(units) - 1;
    return exact + (power - 4) * 8 + static_cast<int>(units >> (power - 3) & 7);
  }
  static Block* after(Block* block) { return block + block->units; }

  /// The smallest free block of the size's own class, or any of the next class that has one. Null where there is none.
  Block* find(std::size_t units) const {
    const int own = class_of(units);
    Block* best = nullptr;
    for (Block* block = lists_[static_cast<std::size_t>(own)]; block != nullptr; block = block->next) {
      if (block->units == units) return block;
      if (block->units > units && (best == nullptr || block->units < best->units)) best = block;
    }
    if (best != nullptr) return best;
    const auto from = static_cast<std::size_t>(own) + 1;
    for (std::size_t word = from / 64; word < filled_.size(); ++word) {
      std::uint64_t bits = filled_[word];
      if (word == from / 64) bits &= ~std::uint64_t{0} << from % 64;
      if (bits != 0) return lists_[word * 64 + static_cast<std::size_t>(std::countr_zero(bits))];
    }
    return nullptr;
  }

  /// A new segment, as one free block. What is unused is given back first, so that segments do not pile up.
  Block* grow(std::size_t units) {
    trim();
    const std::size_t size = std::max(units, segment_units_);
    auto* block = static_cast<Block*>(::operator new (size* unit, std::align_val_t{unit}));
    *block = Block{.units = size, .before = nullptr, .last = true};
    held_ += size * unit;
    insert(block);
    return block;
  }

  void insert(Block* block) noexcept {
    const auto at = static_cast<std::size_t>(class_of(block->units));
    block->free = true;
    block->previous = nullptr;
    block->next = lists_[at];
    if (block->next != nullptr) block->next->previous = block;
    lists_[at] = block;
    filled_[at / 64] |= std::uint64_t{1} << at % 64;
  }

  void remove(Block* block) noexcept {
    const auto at = static_cast<std::size_t>(class_of(block->units));
    block->free = false;
    if (block->next != nullptr) block->next->previous = block->previous;
    if (block->previous != nullptr) {
      block->previous->next = block->next;
    } else {
      lists_[at] = block->next;
    }
    if (lists_[at] == nullptr) filled_[at / 64] &= ~(std::uint64_t{1} << at % 64);
  }

  void join(Block* block, Block* neighbour) noexcept {
    remove(neighbour);
    absorb(block, neighbour);
  }
  static void absorb(Block* block, const Block* neighbour) noexcept {
    block->units += neighbour->units;
    block->last = neighbour->last;
    if (!block->last) after(block)->before = block;
  }

  std::size_t segment_units_;
  std::size_t used_ = 0, held_ = 0;
  std::array<Block*, classes> lists_{};
  std::array<std::uint64_t, (classes + 63) / 64> filled_{};  // a bit for each list that is not empty
};

}  // namespace detail

/// Memory of the host, from any thread, aligned to cache lines. It is kept when released; trim() gives it back. Under
/// the address sanitizer every block comes from the system and goes back at once, so that misuse is seen.
class Pool {
 public:
  /// The one behind Memory<Cpu> and the tape. Never destroyed: tensors may be static.
  static Pool& host() {
    static Pool& pool = *new Pool;
    return pool;
  }

  /// Throws std::bad_alloc where the system has no more.
  void* allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
#ifdef __SANITIZE_ADDRESS__
    void* memory = ::operator new (bytes, std::align_val_t{detail::Heap::unit});
    direct_ += bytes;
#else
    void* memory = nullptr;
    try {
      memory = heap(bytes).allocate(bytes);
    } catch (const std::bad_alloc&) {  // the other heap may hold what is missing
      small_.trim();
      large_.trim();
      memory = heap(bytes).allocate(bytes);
    }
#endif
    peak_ = std::max(peak_, used());
    return memory;
  }
  /// `bytes` as they were asked for.
  void release(void* memory, std::size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
#ifdef __SANITIZE_ADDRESS__
    direct_ -= bytes;
    ::operator delete (memory, std::align_val_t{detail::Heap::unit});
#else
    heap(bytes).release(memory);
#endif
  }
  /// Gives unused memory back to the system: after training, say.
  void trim() noexcept {
    const std::lock_guard lock(mutex_);
    small_.trim();
    large_.trim();
  }
  MemoryStatistics statistics() const noexcept {
    const std::lock_guard lock(mutex_);
    return {used(), peak_, small_.held() + large_.held() + direct_};
  }
  void reset_peak() noexcept {
    const std::lock_guard lock(mutex_);
    peak_ = used();
  }

 private:
  // Apart, so that a small block that lives long does not split the room for large ones.
  detail::Heap& heap(std::size_t bytes) noexcept { return bytes < (std::size_t{1} << 14) ? small_ : large_; }
  std::size_t used() const noexcept { return small_.used() + large_.used() + direct_; }

  mutable std::mutex mutex_;
  detail::Heap small_{std::size_t{1} << 18}, large_{std::size_t{1} << 25};
  std::size_t direct_ = 0, peak_ = 0;
};

/// For containers and shared objects of the library's own.
template <class T>
struct PoolAllocator {
  using value_type = T;

  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) { return static_cast<T*>(Pool::host().allocate(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept { Pool::host().release(memory, count * sizeof(T)); }
  friend bool operator==(PoolAllocator, PoolAllocator) noexcept { return true; }
};

/// A std::vector in the pool: what lives for one step.
template <class T>
using List = std::vector<T, PoolAllocator<T>>;

}  // namespace cloze
