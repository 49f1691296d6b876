// The emulator's twin of kernels/cuda/ptx_sm90.cuh: each lane computes its part of a warpgroup's product, from the
// tiles that the descriptors name, when it waits for it (or at once: see Behaviour::early_copies).
#pragma once

#include <concepts>

#include <cloze/kernels/cuda/ptx.cuh>

namespace cloze::kernels::cuda {

inline std::uint64_t tile_descriptor(const void* tile, int leading, int group) {
  const auto place = static_cast<const std::byte*>(tile) - emulator::Block::current().shared();
  return static_cast<std::uint64_t>(place) >> 4 | static_cast<std::uint64_t>(leading >> 4) << 16 |
         static_cast<std::uint64_t>(group >> 4) << 32 | std::uint64_t{1} << 62;
}

inline void order_registers() {}
inline void show_to_products() {}

namespace detail {

/// Element (row, k) of a tile of 128-byte rows, or with `along`, where its rows run along k.
inline float tile_element(std::uint64_t descriptor, int row, int k, bool along) {
  const auto place = static_cast<std::size_t>(descriptor & 0x3FFF) << 4,
             leading = static_cast<std::size_t>(descriptor >> 16 & 0x3FFF) << 4,
             group = static_cast<std::size_t>(descriptor >> 32 & 0x3FFF) << 4;
  const auto r = static_cast<std::size_t>(row), s = static_cast<std::size_t>(k);
  std::size_t at = place + (along ? r / 64 * leading + r % 64 * 2 + s / 8 * group + s % 8 * 128
                                  : r / 8 * group + r % 8 * 128 + s * 2);
  at ^= (at >> 7 & 7) << 4;
  const auto& block = emulator::Block::current();
  if (at + 2 > block.shared_bytes()) throw std::runtime_error("wgmma: beyond shared memory");
  BFloat16 element;
  std::memcpy(&element, block.shared() + at, 2);
  return to_float(element);
}

template <class F>
void start_product(F&& product) {
  ++emulator::counters().mma;
  if (emulator::behaviour().early_copies)
    product();
  else
    emulator::Block::current().thread().products.back().push_back(product);
}

/// `left(r, k)`: row g (r = 0) or g + 8 of the warp's 16 rows.
template <int N, class Left>
void add_products(float (&c)[N][4], Left&& left, std::uint64_t b, bool along, bool add) {
  const int t = static_cast<int>(emulator::Block::current().thread().lane()) % 4;
  for (int n = 0; n < N; ++n)
    for (int e = 0; e < 2; ++e) {
      float column[16];
      for (int k = 0; k < 16; ++k) column[k] = tile_element(b, 8 * n + 2 * t + e, k, along);
      for (int r = 0; r < 2; ++r) {
        float& sum = c[n][2 * r + e];
        if (!add) sum = 0;
        for (int k = 0; k < 16; ++k) sum += left(r, k) * column[k];
      }
    }
}

}  // namespace detail

template <class T, int N>
void multiply_async(float (&c)[N][4], std::uint64_t a, std::uint64_t b, bool add) {
  const auto& thread = emulator::Block::current().thread();
  const int row = static_cast<int>(thread.number / 32 % 4 * 16 + thread.lane() / 4);
  detail::start_product([&c, a, b, add, row] {
    detail::add_products(
        c, [=](int r, int k) { return detail::tile_element(a, row + 8 * r, k, false); }, b, false, add);
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
          rows[r][8 * half + 2 * t + e] = detail::half_of<BFloat16>(theirs.a[2 * half + r], static_cast<int>(e));
  }
  detail::start_product([&c, rows, b] {
    detail::add_products(
        c, [&](int r, int k) { return rows[static_cast<std::size_t>(r)][static_cast<std::size_t>(k)]; }, b, true, true);
  });
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
