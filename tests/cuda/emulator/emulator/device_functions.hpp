// What CUDA C++ offers inside a kernel: barriers, warp collectives, atomics, bits and arithmetic.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <type_traits>

#include "emulator/grid.hpp"

namespace cloze::emulator {
template <class T>
T value_of(const std::array<std::array<std::byte, 64>, 32>& values, unsigned lane) {
  T value;
  std::memcpy(&value, values[lane].data(), sizeof(T));
  return value;
}
/// The value of lane `from(lane)` in its segment of `width` lanes, or one's own where that lies outside.
template <class T, class From>
T shuffle(unsigned mask, T value, int width, const char* where, From&& from) {
  Block& block = Block::current();
  const int lane = static_cast<int>(block.thread().lane()), first = lane / width * width, source = from(lane - first);
  const auto& values = block.exchange(mask, value, where);
  if (source < 0 || source >= width) return value;
  if (!(mask >> (first + source) & 1)) throw std::runtime_error(std::string(where) + ": reads a lane outside its mask");
  return value_of<T>(values, static_cast<unsigned>(first + source));
}
}  // namespace cloze::emulator

inline void __syncthreads() { cloze::emulator::Block::current().barrier(0, 0, "__syncthreads"); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) {
  cloze::emulator::Block::current().exchange(mask, 0, "__syncwarp");
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  return cloze::emulator::shuffle(mask, value, width, "__shfl_sync", [&](int) { return source & (width - 1); });
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  return cloze::emulator::shuffle(mask, value, width, "__shfl_xor_sync", [&](int lane) { return lane ^ bits; });
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  return cloze::emulator::shuffle(mask, value, width, "__shfl_down_sync",
                                  [&](int lane) { return lane + static_cast<int>(by); });
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  return cloze::emulator::shuffle(mask, value, width, "__shfl_up_sync",
                                  [&](int lane) { return lane - static_cast<int>(by); });
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const auto& values = cloze::emulator::Block::current().exchange(mask, predicate, "__ballot_sync");
  unsigned bits = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1 && cloze::emulator::value_of<int>(values, lane)) bits |= 1u << lane;
  return bits;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

namespace cloze::emulator {
template <class T, class F>
T reduce_lanes(unsigned mask, T value, const char* where, F&& f) {
  const auto& values = Block::current().exchange(mask, value, where);
  T total{};
  bool first = true;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1) {
      const T other = value_of<T>(values, lane);
      total = first ? other : f(total, other);
      first = false;
    }
  return total;
}
}  // namespace cloze::emulator

template <class T>
T __reduce_add_sync(unsigned mask, T value) {
  return cloze::emulator::reduce_lanes(mask, value, "__reduce_add_sync", [](T a, T b) { return a + b; });
}
template <class T>
T __reduce_max_sync(unsigned mask, T value) {
  return cloze::emulator::reduce_lanes(mask, value, "__reduce_max_sync", [](T a, T b) { return std::max(a, b); });
}
template <class T>
T __reduce_min_sync(unsigned mask, T value) {
  return cloze::emulator::reduce_lanes(mask, value, "__reduce_min_sync", [](T a, T b) { return std::min(a, b); });
}

namespace cloze::emulator {
/// A sum over the whole block; all threads must come.
inline int block_sum(int value) {
  static thread_local int total;
  Block& block = Block::current();
  block.barrier(0, 0, "__syncthreads_count");
  total = 0;
  block.barrier(0, 0, "__syncthreads_count");
  total += value;
  block.barrier(0, 0, "__syncthreads_count");
  return total;
}
}  // namespace cloze::emulator
inline int __syncthreads_count(int predicate) { return cloze::emulator::block_sum(predicate != 0); }
inline int __syncthreads_or(int predicate) { return __syncthreads_count(predicate) != 0; }
inline int __syncthreads_and(int predicate) { return __syncthreads_count(!predicate) == 0; }

template <class T>
T atomicAdd(T* at, std::type_identity_t<T> by) {
  const T old = *at;
  *at = old + by;
  return old;
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> by) {
  const T old = *at;
  *at = std::max(old, by);
  return old;
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> by) {
  const T old = *at;
  *at = std::min(old, by);
  return old;
}
template <class T>
T atomicOr(T* at, std::type_identity_t<T> by) {
  const T old = *at;
  *at = old | by;
  return old;
}
template <class T>
T atomicExch(T* at, std::type_identity_t<T> by) {
  const T old = *at;
  *at = by;
  return old;
}
template <class T>
T atomicCAS(T* at, std::type_identity_t<T> compare, std::type_identity_t<T> by) {
  const T old = *at;
  if (old == compare) *at = by;
  return old;
}

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<unsigned long long>(a) * b >> 32);
}
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, std::type_identity_t<T> value) {
  *p = value;
}

inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __log2f(float x) { return std::log2(x); }
inline float __powf(float x, float y) { return std::pow(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1 / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __frsqrt_rn(float x) { return 1 / std::sqrt(x); }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline float rsqrt(float x) { return 1 / std::sqrt(x); }
/// The volatile stops the compiler from fusing what these keep apart.
inline float __fmul_rn(float a, float b) {
  volatile float product = a * b;
  return product;
}
inline float __fadd_rn(float a, float b) {
  volatile float sum = a + b;
  return sum;
}
inline float __fsub_rn(float a, float b) { return __fadd_rn(a, -b); }
inline double __dmul_rn(double a, double b) {
  volatile double product = a * b;
  return product;
}
inline double __dadd_rn(double a, double b) {
  volatile double sum = a + b;
  return sum;
}
inline double __dsub_rn(double a, double b) { return __dadd_rn(a, -b); }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float normcdff(float x) { return static_cast<float>(0.5 * std::erfc(-static_cast<double>(x) / std::sqrt(2.0))); }
inline double normcdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
inline float __saturatef(float x) { return std::min(std::max(x, 0.0f), 1.0f); }
inline int min(int a, int b) { return std::min(a, b); }
inline int max(int a, int b) { return std::max(a, b); }
inline unsigned min(unsigned a, unsigned b) { return std::min(a, b); }
inline unsigned max(unsigned a, unsigned b) { return std::max(a, b); }
inline long min(long a, long b) { return std::min(a, b); }
inline long max(long a, long b) { return std::max(a, b); }
inline long long min(long long a, long long b) { return std::min(a, b); }
inline long long max(long long a, long long b) { return std::max(a, b); }
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }
