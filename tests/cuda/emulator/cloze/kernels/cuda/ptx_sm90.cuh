// The emulator's twin of kernels/cuda/ptx_sm90.cuh. A box arrives when no thread can go on without it (or at once: see
// Behaviour::early_boxes), and is read then.
#pragma once

#include <cloze/kernels/cuda/ptx.cuh>
#include <cloze/kernels/cuda/tensor_map.cuh>

#define CLOZE_CUDA_SM90A 1

namespace cloze::kernels::cuda {

using SharedBarrier = std::uint64_t;

inline void begin_barrier(SharedBarrier* barrier, int arrivals) {
  emulator::Block::current().shared_barriers.begin(barrier, static_cast<unsigned>(arrivals));
}
inline void show_to_products() {}
inline void show_barriers() {}

/// Where boxes are early, the others get as far as they can before this thread goes on: what it does after it gave a
/// tile back comes too late.
inline void arrive(SharedBarrier* barrier) {
  emulator::Block::current().shared_barriers.at(barrier).arrive();
  if (emulator::behaviour().early_boxes) emulator::Block::current().hang_back();
}
inline void arrive_expecting(SharedBarrier* barrier, int bytes) {
  auto& state = emulator::Block::current().shared_barriers.at(barrier);
  state.bytes += bytes;
  state.arrive();
}
inline void await_phase(SharedBarrier* barrier, unsigned parity) {
  auto& block = emulator::Block::current();
  if (parity > 1) throw std::runtime_error("mbarrier: no parity");
  const auto& state = block.shared_barriers.at(barrier);
  if (const unsigned now = state.ended; now % 2 == parity) block.wait(&state.ended, now, "mbarrier");
}

inline void copy_box(const TensorMap& map, void* to, SharedBarrier* barrier, int column, int head, int row) {
  auto& block = emulator::Block::current();
  const auto place = static_cast<std::byte*>(to) - block.shared();
  if (!map.data) throw std::runtime_error("cp.async.bulk.tensor: no tensor");
  if (place < 0 || place % 1024 != 0) throw std::runtime_error("cp.async.bulk.tensor: not aligned");
  if (static_cast<std::size_t>(place) + tensor_box_bytes > block.shared_bytes())
    throw std::runtime_error("cp.async.bulk.tensor: beyond shared memory");
  block.shared_barriers.at(barrier);
  block.send([=, &block] {
    for (int r = 0; r < tensor_map_rows; ++r)
      for (int c = 0; c < 64; ++c) {
        const Index at[3]{column + c, head, row + r};
        bool inside = true;
        for (int i = 0; i < 3; ++i) inside = inside && at[i] >= 0 && at[i] < map.extents[i];
        std::uint16_t element = 0;
        if (inside) std::memcpy(&element, map.data + at[0] * 2 + at[1] * map.strides[0] + at[2] * map.strides[1], 2);
        std::memcpy(block.shared() + place + r * 128 + (c / 8 ^ r % 8) * 16 + c % 8 * 2, &element, 2);
      }
    block.shared_barriers.at(barrier).deliver(tensor_box_bytes);
  });
}

namespace detail {

inline void change_registers() { emulator::Block::current().exchange(0xFFFFFFFFu, 0, "setmaxnreg"); }

}  // namespace detail

template <int Count>
void give_registers() {
  static_assert(Count % 8 == 0 && Count >= 24);
  detail::change_registers();
}
template <int Count>
void take_registers() {
  static_assert(Count % 8 == 0 && Count <= 256);
  detail::change_registers();
}

inline void meet(int number, int threads) {
  if (number < 1 || number > 15 || threads < 32 || threads % 32 != 0) throw std::runtime_error("bar.sync: not one");
  emulator::Block::current().barrier(static_cast<unsigned>(number), static_cast<unsigned>(threads), "bar.sync");
}

}  // namespace cloze::kernels::cuda
