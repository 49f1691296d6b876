#include <cloze/core/pool.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "support/catch.hpp"

using namespace cloze;

TEST_CASE("blocks begin at cache lines and do not overlap, whatever comes and goes") {
  Pool pool;
  std::mt19937 random(7);
  struct Block {
    std::size_t bytes;
    unsigned char mark;
  };
  std::map<unsigned char*, Block> blocks;
  std::size_t most = 0, wanted = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (blocks.size() < 60 && random() % 2 == 0) {
      const std::size_t bytes = random() % 4 == 0 ? random() % 300'000 : random() % 2'000;
      auto* memory = static_cast<unsigned char*>(pool.allocate(bytes));
      REQUIRE(reinterpret_cast<std::uintptr_t>(memory) % 64 == 0);
      const auto mark = static_cast<unsigned char>(random());
      std::memset(memory, mark, bytes);
      const auto [at, fresh] = blocks.insert({memory, {bytes, mark}});
      REQUIRE(fresh);
      wanted += bytes;
      most = std::max(most, wanted);
    } else if (!blocks.empty()) {
      const auto at = std::next(blocks.begin(), static_cast<int>(random() % blocks.size()));
      const Block block = at->second;
      REQUIRE(std::all_of(at->first, at->first + block.bytes, [&](unsigned char byte) { return byte == block.mark; }));
      wanted -= at->second.bytes;
      pool.release(at->first, at->second.bytes);
      blocks.erase(at);
    }
  }
  CHECK(pool.statistics().used >= wanted);
  for (const auto& [memory, block] : blocks) pool.release(memory, block.bytes);
  CHECK(pool.statistics().used == 0);
  CHECK(pool.statistics().peak >= most);
  pool.trim();
  CHECK(pool.statistics().held == 0);  // every neighbour was joined again
}

#ifndef __SANITIZE_ADDRESS__  // under which nothing is kept
TEST_CASE("released memory is handed out again, and joined with its neighbours") {
  Pool pool;
  constexpr std::size_t megabyte = 1 << 20;
  void* a = pool.allocate(10 * megabyte);
  void* b = pool.allocate(10 * megabyte);
  const std::size_t held = pool.statistics().held;
  pool.release(a, 10 * megabyte);
  CHECK(pool.allocate(10 * megabyte) == a);
  pool.release(a, 10 * megabyte);
  pool.release(b, 10 * megabyte);
  void* both = pool.allocate(20 * megabyte);
  CHECK(both == a);
  CHECK(pool.statistics().held == held);
  pool.release(both, 20 * megabyte);
  pool.trim();
  CHECK(pool.statistics().held == 0);
}

TEST_CASE("buffers whose sizes change with every step do not add up") {
  Pool pool;
  std::mt19937 random(3);
  for (int step = 0; step < 300; ++step) {
    const std::size_t tokens = 100 + random() % 300;
    std::vector<std::pair<void*, std::size_t>> step_blocks;
    for (int i = 0; i < 60; ++i) {
      const std::size_t bytes = tokens * 768 * (1 + static_cast<std::size_t>(i % 4));
      step_blocks.emplace_back(pool.allocate(bytes), bytes);
    }
    for (const auto& [memory, bytes] : step_blocks) pool.release(memory, bytes);
  }
  const auto after = pool.statistics();
  CHECK(after.held <= after.peak * 9 / 8 + (std::size_t{1} << 25));
}
#endif

TEST_CASE("the peak counts from the last reset") {
  Pool pool;
  void* a = pool.allocate(100'000);
  void* b = pool.allocate(100'000);
  pool.release(b, 100'000);
  CHECK(pool.statistics().peak >= 200'000);
  pool.reset_peak();
  CHECK(pool.statistics().peak == pool.statistics().used);
  pool.release(a, 100'000);
  CHECK(pool.statistics().used == 0);
}

TEST_CASE("memory that the system does not have is refused, and the pool goes on") {
#ifndef __SANITIZE_ADDRESS__  // which ends the program there
  Pool pool;
  CHECK_THROWS_AS(pool.allocate(std::size_t{1} << 59), std::bad_alloc);
  void* a = pool.allocate(0);
  pool.release(a, 0);
#endif
}

TEST_CASE("several threads share a pool") {
  Pool pool;
  std::vector<std::thread> threads;
  std::atomic<bool> sound{true};
  for (unsigned char t = 0; t < 4; ++t)
    threads.emplace_back([&pool, &sound, t] {
      for (std::size_t i = 0; i < 2'000; ++i) {
        const std::size_t bytes = 1 + i * 7919 % 5'000;
        auto* memory = static_cast<unsigned char*>(pool.allocate(bytes));
        std::memset(memory, t, bytes);
        for (std::size_t b = 0; b < bytes; ++b)
          if (memory[b] != t) sound = false;
        pool.release(memory, bytes);
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(sound);
  CHECK(pool.statistics().used == 0);
}
