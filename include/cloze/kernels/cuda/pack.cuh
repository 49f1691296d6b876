// What one thread holds of a tensor: a few neighbouring elements, loaded and stored in one access of up to 16 bytes and
// computed with in float or double, whatever they are stored as.
#pragma once

#include <cstdint>
#include <cstring>

#include <cuda_runtime.h>

#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels::cuda {

__host__ __device__ inline double widen(double x) { return x; }
__host__ __device__ inline float widen(float x) { return x; }
__host__ __device__ inline float widen(BFloat16 x) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
#else
  return to_float(x);
#endif
}
__host__ __device__ inline float widen(Float16 x) {
#ifdef __CUDA_ARCH__
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(x.bits));
  return wide;
#else
  return to_float(x);
#endif
}

/// Rounds to T, to nearest even.
template <class T>
__device__ T narrow(Compute<T> x) {
  return x;
}
template <>
__device__ inline BFloat16 narrow<BFloat16>(float x) {
#ifdef __CUDA_ARCH__
  BFloat16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#else
  return to_bfloat16(x);
#endif
}
template <>
__device__ inline Float16 narrow<Float16>(float x) {
#ifdef __CUDA_ARCH__
  Float16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#else
  return to_float16(x);
#endif
}

/// Elements of T in 16 bytes: the most that a thread reads or writes in one access.
template <class T>
inline constexpr int full_pack = static_cast<int>(16 / sizeof(T));

namespace detail {

/// So many neighbouring elements as they lie in memory.
template <class T, int N>
struct alignas(sizeof(T) * N) Stored {
  T at[N];
};

/// As many bytes in the GPU's own words.
template <int Bytes>
struct WordsOf;
template <>
struct WordsOf<16> {
  using type = uint4;
};
template <>
struct WordsOf<8> {
  using type = uint2;
};
template <>
struct WordsOf<4> {
  using type = unsigned;
};
template <>
struct WordsOf<2> {
  using type = unsigned short;
};

/// One access.
template <class T, int N>
__device__ void store_at_once(T* to, const Stored<T, N>& stored) {
#ifdef __CUDA_ARCH__
  // As words and by name: nvcc takes an assigned struct apart and stores its elements one by one.
  using Words = typename WordsOf<sizeof(stored)>::type;
  Words words;
  memcpy(&words, &stored, sizeof(words));
  __stwb(reinterpret_cast<Words*>(to), words);
#else
  *reinterpret_cast<Stored<T, N>*>(to) = stored;
#endif
}

}  // namespace detail

/// N numbers in registers.
template <class A, int N>
struct Pack {
  A at[N];
  __device__ A& operator[](int i) { return at[i]; }
  __device__ const A& operator[](int i) const { return at[i]; }
};

/// N elements from `from`, which is aligned to all of them or to 16 bytes.
template <int N, class T>
__device__ Pack<Compute<T>, N> load(const T* from) {
  constexpr int piece = N < full_pack<T> ? N : full_pack<T>;
  Pack<Compute<T>, N> pack;
#pragma unroll
  for (int begin = 0; begin < N; begin += piece) {
    const auto stored = *reinterpret_cast<const detail::Stored<T, piece>*>(from + begin);
#pragma unroll
    for (int i = 0; i < piece; ++i) pack[begin + i] = widen(stored.at[i]);
  }
  return pack;
}

/// Loads N numbers of a tensor of T, from the copy in full precision where there is one.
template <int N, class T>
__device__ Pack<Compute<T>, N> load_master(const T* weight, const Compute<T>* master) {
  return master ? load<N>(master) : load<N>(weight);
}

template <class T, int N>
__device__ void store(T* to, const Pack<Compute<T>, N>& pack) {
  constexpr int piece = N < full_pack<T> ? N : full_pack<T>;
#pragma unroll
  for (int begin = 0; begin < N; begin += piece) {
    detail::Stored<T, piece> stored;
#pragma unroll
    for (int i = 0; i < piece; ++i) stored.at[i] = narrow<T>(pack[begin + i]);
    detail::store_at_once<T, piece>(to + begin, stored);
  }
}

/// N times the same.
template <int N, class A>
__device__ Pack<A, N> filled(A value) {
  Pack<A, N> pack;
#pragma unroll
  for (int i = 0; i < N; ++i) pack[i] = value;
  return pack;
}

/// Writes or adds `pack` at element `i`, as the target wants it.
template <class T, int N>
__device__ void put(const GradTarget<T>& target, Index i, Pack<Compute<T>, N> pack) {
  if (target.add) {
    const auto before = load<N>(target.data + i);
#pragma unroll
    for (int j = 0; j < N; ++j) pack[j] = before[j] + pack[j];
  }
  store(target.data + i, pack);
}

/// Whether every one of these addresses is a multiple of 16 bytes: null is.
template <class... P>
bool aligned(const P*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) | ... | std::uintptr_t{0}) & 15) == 0;
}

/// Whether rows of so many elements of T begin at multiples of 16 bytes, where the first one does.
template <class T>
constexpr bool whole_packs(Index columns) {
  return columns % full_pack<T> == 0;
}

}  // namespace cloze::kernels::cuda
