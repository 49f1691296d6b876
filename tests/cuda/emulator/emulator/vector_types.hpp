// CUDA's short vectors, with the alignment that vector loads need.
#pragma once

// clang-format off
#define CLOZE_EMULATOR_VECTOR(T, name)                                                                       \
  struct name##1 { T x; };                                                                                   \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                                                         \
  struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; };                         \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                                 \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CLOZE_EMULATOR_VECTOR(float, float)
CLOZE_EMULATOR_VECTOR(double, double)
CLOZE_EMULATOR_VECTOR(int, int)
CLOZE_EMULATOR_VECTOR(unsigned, uint)
CLOZE_EMULATOR_VECTOR(short, short)
CLOZE_EMULATOR_VECTOR(unsigned short, ushort)
CLOZE_EMULATOR_VECTOR(long long, longlong)
CLOZE_EMULATOR_VECTOR(unsigned char, uchar)
#undef CLOZE_EMULATOR_VECTOR
struct float3 { float x, y, z; };
struct int3 { int x, y, z; };
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
// clang-format on
