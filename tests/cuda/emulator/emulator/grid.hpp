// Runs a grid on the CPU: block after block, the threads of a block as fibers that change places where they wait.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "emulator/fiber.hpp"
#include "emulator/shared_barrier.hpp"

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned wide = 1, unsigned high = 1, unsigned deep = 1) : x(wide), y(high), z(deep) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};

inline thread_local uint3 threadIdx{}, blockIdx{};
inline thread_local dim3 blockDim{}, gridDim{};
inline constexpr int warpSize = 32;

namespace cloze::emulator {

/// How an emulated device behaves where a real one is free to. Results must not depend on it: tests run both ways.
struct Behaviour {
  bool backwards = std::getenv("CLOZE_EMULATOR_BACKWARDS") != nullptr;  // the last thread and block run first
  // cp.async and wgmma: when issued, else when awaited.
  bool early_copies = std::getenv("CLOZE_EMULATOR_EARLY_COPIES") != nullptr;
  // Boxes of tensors: when issued, else when no thread can go on without them.
  bool early_boxes = std::getenv("CLOZE_EMULATOR_EARLY_BOXES") != nullptr;
  bool late = std::getenv("CLOZE_EMULATOR_LATE") != nullptr;  // streams: when something waits, else at once
};

inline Behaviour& behaviour() {
  static Behaviour state;
  return state;
}

/// What was run since the program began: lets a test see that a kernel went the way it meant.
struct Counters {
  long launches = 0, blocks = 0, mma = 0;
};

inline Counters& counters() {
  static Counters state;
  return state;
}

/// Threads that wait for each other; `turn` grows when the last one arrives.
struct Barrier {
  unsigned arrived = 0, turn = 0;
};

/// A group of lanes, named by its mask, that exchanges values: two buffers, so that the next exchange may begin while
/// slow lanes still read.
struct Exchange {
  std::uint32_t mask = 0;
  Barrier barrier;
  std::array<std::array<std::array<std::byte, 64>, 32>, 2> values;
};

struct Thread {
  Fiber* fiber = nullptr;
  uint3 index{};
  unsigned number = 0;
  bool done = true;
  const unsigned* watched = nullptr;  // waits while *watched == seen
  unsigned seen = 0;
  bool patient = false;  // lets all others run first
  const char* where = "";
  std::vector<std::vector<std::function<void()>>> copies{{}};  // cp.async groups not yet carried out, the open one last

  std::vector<std::vector<std::function<void()>>> products{{}};  // the same of wgmma

  unsigned lane() const { return number % 32; }
};

class Block {
 public:
  static Block& current() {
    static thread_local Block block;
    return block;
  }

  /// One block. Throws std::runtime_error where its threads wait for each other for ever.
  void run(dim3 size, std::size_t shared_bytes, const std::function<void()>& body) {
    const unsigned count = size.x * size.y * size.z;
    while (fibers_.size() < count) fibers_.push_back(std::make_unique<Fiber>());
    threads_.resize(count);
    body_ = &body;
    error_ = nullptr;
    alive_ = count;
    barriers_.fill({});
    shared_barriers.clear();
    boxes_.clear();
    exchanges_.clear();
    exchanges_.resize((count + 31) / 32);
    // Of exactly this size, so that the address sanitizer sees what lies beyond; bytes of 0xFF are NaN in all formats.
    void* shared = nullptr;
    if (posix_memalign(&shared, 1024, std::max<std::size_t>(shared_bytes, 1)) != 0) throw std::bad_alloc();
    shared_.reset(static_cast<std::byte*>(shared));
    std::memset(shared_.get(), 0xFF, shared_bytes);
    shared_bytes_ = shared_bytes;
    for (unsigned i = 0; i < count; ++i) {
      Thread& t = threads_[i];
      t = {};
      t.fiber = fibers_[i].get();
      t.index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
      t.number = i;
      t.done = false;
      t.fiber->reset(&Block::enter);
    }
    schedule(count);
    if (error_) std::rethrow_exception(error_);
    if (!boxes_.empty()) throw std::runtime_error("an emulated block ended while a box of a tensor was on its way");
  }

  SharedBarriers shared_barriers;

  /// Carries out a copy that belongs to no thread: at once, or when no thread can go on without it.
  void send(std::function<void()> box) {
    if (behaviour().early_boxes)
      box();
    else
      boxes_.push_back(std::move(box));
  }

  Thread& thread() { return *running_; }
  std::byte* shared() const { return shared_.get(); }
  std::size_t shared_bytes() const { return shared_bytes_; }

  /// Lets others run until *watched differs from `seen`.
  void wait(const unsigned* watched, unsigned seen, const char* where) {
    Thread& t = *running_;
    t.watched = watched;
    t.seen = seen;
    t.where = where;
    t.fiber->leave();
  }

  /// Lets others run until none of them can.
  void hang_back() {
    running_->patient = true;
    running_->fiber->leave();
  }

  /// Waits for `count` threads; 0: for all that have not ended.
  void barrier(unsigned id, unsigned count, const char* where) {
    Barrier& b = barriers_.at(id);
    const unsigned turn = b.turn;
    ++b.arrived;
    if (b.arrived == (count ? count : alive_)) {
      b.arrived = 0;
      ++b.turn;
    } else {
      wait(&b.turn, turn, where);
    }
  }

  /// The lanes of `mask` put a value each and all see all values: the function gets them once everyone is there. `once`
  /// runs on one lane before the others go on.
  template <class T>
  std::array<std::array<std::byte, 64>, 32>& exchange(
      std::uint32_t mask, const T& value, const char* where,
      void (*once)(std::array<std::array<std::byte, 64>, 32>&) = nullptr) {
    static_assert(sizeof(T) <= 64);
    Thread& t = *running_;
    if (!(mask >> t.lane() & 1)) throw std::runtime_error(std::string(where) + ": the calling lane is not in its mask");
    auto& groups = exchanges_[t.number / 32];
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g->mask == mask; });
    if (group == groups.end()) {
      groups.push_back(std::make_unique<Exchange>());
      group = groups.end() - 1;
      (*group)->mask = mask;
    }
    Exchange& e = **group;
    const unsigned turn = e.barrier.turn;
    auto& values = e.values[turn % 2];
    std::memcpy(values[t.lane()].data(), &value, sizeof(T));
    if (++e.barrier.arrived == static_cast<unsigned>(__builtin_popcount(mask))) {
      if (once) once(values);
      e.barrier.arrived = 0;
      ++e.barrier.turn;
    } else {
      wait(&e.barrier.turn, turn, where);
    }
    return values;
  }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };

  static void enter() {
    Block& block = current();
    block.running_->fiber->arrived();
    try {
      (*block.body_)();
      for (auto& group : block.running_->copies)
        for (auto& copy : group) copy();
    } catch (...) {
      block.error_ = std::current_exception();
    }
    block.running_->done = true;
    --block.alive_;
    Barrier& all = block.barriers_[0];
    if (block.alive_ && all.arrived == block.alive_) {  // the others wait for this one no more
      all.arrived = 0;
      ++all.turn;
    }
    block.running_->fiber->leave();
  }

  void schedule(unsigned count) {
    while (alive_) {
      bool moved = false;
      for (unsigned i = 0; i < count && !error_; ++i) {
        Thread& t = threads_[behaviour().backwards ? count - 1 - i : i];
        if (t.done || t.patient || (t.watched && *t.watched == t.seen)) continue;
        moved = true;
        t.watched = nullptr;
        running_ = &t;
        threadIdx = t.index;
        t.fiber->enter();
      }
      if (error_) return;
      if (moved) continue;
      bool patient = false;
      for (Thread& t : threads_) patient |= std::exchange(t.patient, false);
      if (patient) continue;
      if (!boxes_.empty()) {
        const auto next = behaviour().backwards ? boxes_.end() - 1 : boxes_.begin();
        const auto box = std::move(*next);
        boxes_.erase(next);
        box();
      } else {
        std::string message = "emulated block " + std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," +
                              std::to_string(blockIdx.z) + " waits for ever:";
        for (const Thread& t : threads_)
          if (!t.done && (t.lane() == 0 || t.lane() == 31))
            message += " thread " + std::to_string(t.number) + " at " + t.where + ";";
        throw std::runtime_error(message);
      }
    }
  }

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Thread> threads_;
  std::array<Barrier, 16> barriers_;
  std::vector<std::function<void()>> boxes_;
  std::vector<std::vector<std::unique_ptr<Exchange>>> exchanges_;
  std::unique_ptr<std::byte, Free> shared_;
  std::size_t shared_bytes_ = 0;
  unsigned alive_ = 0;
  Thread* running_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  std::exception_ptr error_;
};

/// Runs `body` as the kernel of a grid.
inline void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& body) {
  gridDim = grid;
  blockDim = block;
  ++counters().launches;
  const std::size_t blocks = std::size_t{grid.x} * grid.y * grid.z;
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::size_t b = behaviour().backwards ? blocks - 1 - i : i;
    blockIdx = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                static_cast<unsigned>(b / grid.x / grid.y)};
    ++counters().blocks;
    Block::current().run(block, shared_bytes, body);
  }
}

}  // namespace cloze::emulator
