// The emulator's twin of kernels/cuda/ptx.cuh, from the PTX manual's tables of which lane holds which element.
#pragma once

#include <cstdint>
#include <cstring>

#include <cuda_runtime.h>

#include <cloze/core/dtype.hpp>
#include <cloze/kernels/cuda/pack.cuh>

namespace cloze::kernels::cuda {

template <class T>
std::uint32_t pack(float low, float high) {
  return std::uint32_t{convert<T>(low).bits} | std::uint32_t{convert<T>(high).bits} << 16;
}
inline float exp2_approximately(float x) {
  const float result = std::exp2(x);
  return result < 0x1p-126f ? 0.0f : result;
}

namespace detail {

using Lanes = std::array<std::array<std::byte, 64>, 32>;

struct MmaOperands {
  float c[4];
  std::uint32_t a[4], b[2];
};

template <class T>
float half_of(std::uint32_t pair, int which) {
  return to_float(T{static_cast<std::uint16_t>(pair >> (16 * which))});
}

/// The whole product, when the last lane has come: c is left in every lane's slot.
template <class T>
void multiply(Lanes& lanes) {
  static thread_local MmaOperands in[32];
  static thread_local float a[16][16], b[16][8], c[16][8];
  ++emulator::counters().mma;
  for (int lane = 0; lane < 32; ++lane) {
    std::memcpy(&in[lane], lanes[static_cast<std::size_t>(lane)].data(), sizeof(MmaOperands));
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 2; ++i) {
      a[g][2 * t + i] = half_of<T>(in[lane].a[0], i);
      a[g + 8][2 * t + i] = half_of<T>(in[lane].a[1], i);
      a[g][2 * t + 8 + i] = half_of<T>(in[lane].a[2], i);
      a[g + 8][2 * t + 8 + i] = half_of<T>(in[lane].a[3], i);
      b[2 * t + i][g] = half_of<T>(in[lane].b[0], i);
      b[2 * t + 8 + i][g] = half_of<T>(in[lane].b[1], i);
      c[g][2 * t + i] = in[lane].c[i];
      c[g + 8][2 * t + i] = in[lane].c[2 + i];
    }
  }
  for (int m = 0; m < 16; ++m)
    for (int k = 0; k < 16; ++k)
      for (int n = 0; n < 8; ++n) c[m][n] += a[m][k] * b[k][n];
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    const float result[4]{c[g][2 * t], c[g][2 * t + 1], c[g + 8][2 * t], c[g + 8][2 * t + 1]};
    std::memcpy(lanes[static_cast<std::size_t>(lane)].data(), result, sizeof(result));
  }
}

inline const std::byte* checked_row(const Lanes& lanes, int lane, const char* where) {
  const void* row;
  std::memcpy(&row, lanes[static_cast<std::size_t>(lane)].data(), sizeof(row));
  const auto& block = emulator::Block::current();
  const auto* bytes = static_cast<const std::byte*>(row);
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) throw std::runtime_error(std::string(where) + ": not aligned");
  if (bytes < block.shared() || bytes + 16 > block.shared() + block.shared_bytes())
    throw std::runtime_error(std::string(where) + ": beyond shared memory");
  return bytes;
}

}  // namespace detail

template <class T>
void mma(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  auto& block = emulator::Block::current();
  const detail::MmaOperands mine{{c[0], c[1], c[2], c[3]}, {a[0], a[1], a[2], a[3]}, {b0, b1}};
  const auto& lanes = block.exchange(0xFFFFFFFFu, mine, "mma", &detail::multiply<T>);
  std::memcpy(c, lanes[block.thread().lane()].data(), sizeof(c));
}

inline void load_matrices(std::uint32_t (&r)[4], const void* row) {
  auto& block = emulator::Block::current();
  const auto& lanes = block.exchange(0xFFFFFFFFu, row, "ldmatrix");
  const int lane = static_cast<int>(block.thread().lane()), g = lane / 4, t = lane % 4;
  for (int i = 0; i < 4; ++i) std::memcpy(&r[i], detail::checked_row(lanes, 8 * i + g, "ldmatrix") + 4 * t, 4);
}

inline void load_matrices_transposed(std::uint32_t (&r)[4], const void* row) {
  auto& block = emulator::Block::current();
  const auto& lanes = block.exchange(0xFFFFFFFFu, row, "ldmatrix.trans");
  const int lane = static_cast<int>(block.thread().lane()), g = lane / 4, t = lane % 4;
  for (int i = 0; i < 4; ++i) {
    std::uint16_t pair[2];
    for (int e = 0; e < 2; ++e)
      std::memcpy(&pair[e], detail::checked_row(lanes, 8 * i + 2 * t + e, "ldmatrix.trans") + 2 * g, 2);
    r[i] = std::uint32_t{pair[0]} | std::uint32_t{pair[1]} << 16;
  }
}

inline void copy_16_bytes(void* to, const void* from, bool there) {
  auto& block = emulator::Block::current();
  if (reinterpret_cast<std::uintptr_t>(to) % 16 != 0 || (there && reinterpret_cast<std::uintptr_t>(from) % 16 != 0))
    throw std::runtime_error("cp.async: not aligned");
  const auto* bytes = static_cast<const std::byte*>(to);
  if (bytes < block.shared() || bytes + 16 > block.shared() + block.shared_bytes())
    throw std::runtime_error("cp.async: beyond shared memory");
  const auto copy = [=] {
    if (there)
      std::memcpy(to, from, 16);
    else
      std::memset(to, 0, 16);
  };
  if (emulator::behaviour().early_copies)
    copy();
  else
    block.thread().copies.back().push_back(copy);
}
inline void end_copies() { emulator::Block::current().thread().copies.emplace_back(); }
template <int Open>
void await_copies() {
  auto& groups = emulator::Block::current().thread().copies;
  while (groups.size() > Open + 1) {  // the last one is not ended
    for (auto& copy : groups.front()) copy();
    groups.erase(groups.begin());
  }
}

}  // namespace cloze::kernels::cuda
