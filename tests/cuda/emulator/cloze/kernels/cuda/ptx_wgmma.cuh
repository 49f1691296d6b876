// The emulator's twin of kernels/cuda/ptx_wgmma.cuh: each lane computes its part of a warpgroup's product, from the
// tiles that the descriptors name, when it waits for it (or at once: see Behaviour::early_copies).
#pragma once

#include <cloze/kernels/cuda/ptx.cuh>

namespace cloze::kernels::cuda {

inline std::uint64_t tile_descriptor(const void* tile, int leading, int group) {
  const auto place = static_cast<const std::byte*>(tile) - emulator::Block::current().shared();
  return static_cast<std::uint64_t>(place) >> 4 | static_cast<std::uint64_t>(leading >> 4) << 16 |
         static_cast<std::uint64_t>(group >> 4) << 32 | std::uint64_t{1} << 62;
}

inline void order_registers() {}

namespace detail {

/// Elements (row, 0 … 15) of a tile of 128-byte rows, or with `along`, where its rows run along the sum.
template <class T>
std::array<float, 16> tile_row(std::uint64_t descriptor, int row, bool along) {
  const auto place = static_cast<std::size_t>(descriptor & 0x3FFF) << 4,
             leading = static_cast<std::size_t>(descriptor >> 16 & 0x3FFF) << 4,
             group = static_cast<std::size_t>(descriptor >> 32 & 0x3FFF) << 4;
  const auto r = static_cast<std::size_t>(row);
  const auto& block = emulator::Block::current();
  std::array<float, 16> elements;
  const std::size_t step = along ? 1 : 8;  // elements that lie together
  for (std::size_t k = 0; k < 16; k += step) {
    std::size_t at = place + (along ? r / 64 * leading + r % 64 * 2 + k / 8 * group + k % 8 * 128
                                    : r / 8 * group + r % 8 * 128 + k * 2);
    at ^= (at >> 7 & 7) << 4;
    if (at + 2 * step > block.shared_bytes()) throw std::runtime_error("wgmma: beyond shared memory");
    T together[8];
    std::memcpy(together, block.shared() + at, 2 * step);
    for (std::size_t i = 0; i < step; ++i) elements[k + i] = to_float(together[i]);
  }
  return elements;
}

template <class F>
void start_product(F&& product) {
  ++emulator::counters().mma;
  if (emulator::behaviour().early_copies)
    product();
  else
    emulator::Block::current().thread().products.back().push_back(product);
}

/// `left`: row g and row g + 8 of the warp's 16 rows.
template <class T, int N>
void add_products(float (&c)[N][4], const std::array<std::array<float, 16>, 2>& left, std::uint64_t b, bool along,
                  bool add) {
  const int t = static_cast<int>(emulator::Block::current().thread().lane()) % 4;
  for (int n = 0; n < N; ++n)
    for (int e = 0; e < 2; ++e) {
      const auto column = tile_row<T>(b, 8 * n + 2 * t + e, along);
      for (std::size_t r = 0; r < 2; ++r) {
        float sum = add ? c[n][2 * r + static_cast<std::size_t>(e)] : 0;
        for (std::size_t k = 0; k < 16; ++k) sum += left[r][k] * column[k];
        c[n][2 * r + static_cast<std::size_t>(e)] = sum;
      }
    }
}

}  // namespace detail

template <class T, int N>
void multiply_async(float (&c)[N][4], std::uint64_t a, std::uint64_t b, bool add) {
  const auto& thread = emulator::Block::current().thread();
  const int row = static_cast<int>(thread.number / 32 % 4 * 16 + thread.lane() / 4);
  detail::start_product([&c, a, b, add, row] {
    detail::add_products<T>(c, {detail::tile_row<T>(a, row, false), detail::tile_row<T>(a, row + 8, false)}, b, false,
                            add);
  });
}

template <class T, int N>
void multiply_async(float (&c)[N][4], const std::uint32_t (&a)[4], std::uint64_t b) {
  auto& block = emulator::Block::current();
  struct Registers {
    std::uint32_t a[4];
  };
  const Registers mine{{a[0], a[1], a[2], a[3]}};
  const auto& lanes = block.exchange(0xFFFFFFFFu, mine, "wgmma");
  std::array<std::array<float, 16>, 2> rows;
  for (unsigned t = 0; t < 4; ++t) {
    Registers theirs;
    std::memcpy(&theirs, lanes[block.thread().lane() / 4 * 4 + t].data(), sizeof(theirs));
    for (unsigned r = 0; r < 2; ++r)
      for (unsigned half = 0; half < 2; ++half)
        for (unsigned e = 0; e < 2; ++e)
          rows[r][8 * half + 2 * t + e] = detail::half_of<T>(theirs.a[2 * half + r], static_cast<int>(e));
  }
  detail::start_product([&c, rows, b] { detail::add_products<T>(c, rows, b, true, true); });
}

inline void end_products() { emulator::Block::current().thread().products.emplace_back(); }
template <int Open>
void await_products() {
  auto& groups = emulator::Block::current().thread().products;
  while (groups.size() > Open + 1) {
    for (auto& product : groups.front()) product();
    groups.erase(groups.begin());
  }
}

}  // namespace cloze::kernels::cuda
