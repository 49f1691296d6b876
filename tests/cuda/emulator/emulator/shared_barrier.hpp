// The barriers that a block keeps in shared memory (mbarrier): arrivals and bytes that each phase waits for. What a GPU
// would answer with a hang or a race is an error here.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>

namespace cloze::emulator {

struct SharedBarrier {
  unsigned arrivals, missing;
  long long bytes = 0;  // expected and not yet there
  unsigned ended = 0;   // phases

  void arrive() {
    if (missing == 0) throw std::runtime_error("mbarrier: more arrivals than it counts");
    --missing;
    end_where_complete();
  }
  void deliver(long long count) {
    if (count > bytes) throw std::runtime_error("mbarrier: more bytes than the phase expects");
    bytes -= count;
    end_where_complete();
  }

 private:
  void end_where_complete() {
    if (missing != 0 || bytes != 0) return;
    missing = arrivals;
    ++ended;
  }
};

/// By address. The word in shared memory holds a mark, so that writing over it shows.
class SharedBarriers {
 public:
  void clear() { all_.clear(); }
  void begin(std::uint64_t* word, unsigned arrivals) {
    if (reinterpret_cast<std::uintptr_t>(word) % 8 != 0 || arrivals == 0 || arrivals >= 1u << 20)
      throw std::runtime_error("mbarrier: not one that can be");
    if (!all_.emplace(word, SharedBarrier{arrivals, arrivals}).second)
      throw std::runtime_error("mbarrier: begun twice");
    *word = mark;
  }
  SharedBarrier& at(std::uint64_t* word) {
    const auto found = all_.find(word);
    if (found == all_.end() || *word != mark) throw std::runtime_error("mbarrier: used before it was begun, or lost");
    return found->second;
  }

 private:
  static constexpr std::uint64_t mark = 0x6D62617272696572;

  std::map<std::uint64_t*, SharedBarrier> all_;
};

}  // namespace cloze::emulator
