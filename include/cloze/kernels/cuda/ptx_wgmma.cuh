// PTX of sm_90a: products of a warpgroup (wgmma), which run beside the program and read tiles of shared memory by
// themselves. Layouts are those of the PTX manual, "Asynchronous warpgroup level matrix instructions". The tests'
// emulator has a twin of this file.
#pragma once

#include <cloze/kernels/cuda/ptx.cuh>

namespace cloze::kernels::cuda {

/// A tile for wgmma: rows of 128 bytes whose 16-byte pieces are exchanged by the number of the row modulo 8
/// (HalfTile<64>), its base a multiple of 1024. `group` is the distance of groups of eight rows; `leading`, where the
/// rows run along the sum, that of tiles of 64 columns.
__device__ __forceinline__ std::uint64_t tile_descriptor(const void* tile, int leading, int group) {
  return static_cast<std::uint64_t>((shared_address(tile) & 0x3FFFF) >> 4) |
         static_cast<std::uint64_t>(leading >> 4) << 16 | static_cast<std::uint64_t>(group >> 4) << 32 |
         std::uint64_t{1} << 62;
}

/// Before the first product, and after the program changed registers that a product takes.
__device__ __forceinline__ void order_registers() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
/// Ends a group of products.
__device__ __forceinline__ void end_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until all but the last `Open` groups are done: only then may their results be read and their tiles be written.
template <int Open>
__device__ __forceinline__ void await_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Open) : "memory");
}

/// c (64 rows by 8 N columns) = or += a · b, both from shared memory.
template <class T, int N>
__device__ __forceinline__ void multiply_async(float (&c)[N][4], std::uint64_t a, std::uint64_t b, bool add);
/// c += a · b, a from registers, b from shared memory with its columns contiguous.
template <class T, int N>
__device__ __forceinline__ void multiply_async(float (&c)[N][4], const std::uint32_t (&a)[4], std::uint64_t b);

// clang-format off
#define CLOZE_C4(c, i) "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3])
#define CLOZE_C16(c, i) CLOZE_C4(c, i), CLOZE_C4(c, i + 1), CLOZE_C4(c, i + 2), CLOZE_C4(c, i + 3)
#define CLOZE_COLUMNS_64(c) CLOZE_C16(c, 0), CLOZE_C16(c, 4)
#define CLOZE_COLUMNS_128(c) CLOZE_COLUMNS_64(c), CLOZE_C16(c, 8), CLOZE_C16(c, 12)
#define CLOZE_NAMES_64 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define CLOZE_NAMES_128 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

// The operands after those of c: two descriptors and whether to add; or four registers and a descriptor.
#define CLOZE_TILES_64 "%32, %33, p, 1, 1, 0, 0"
#define CLOZE_ADD_64 "%34"
#define CLOZE_REGISTERS_64 "{%32, %33, %34, %35}, %36, p, 1, 1, 1"
#define CLOZE_TILES_128 "%64, %65, p, 1, 1, 0, 0"
#define CLOZE_ADD_128 "%66"
#define CLOZE_REGISTERS_128 "{%64, %65, %66, %67}, %68, p, 1, 1, 1"

#define CLOZE_WGMMA(T, type, columns)                                                                                \
  template <>                                                                                                        \
  __device__ __forceinline__ void multiply_async<T, columns / 8>(float (&c)[columns / 8][4], std::uint64_t a,        \
                                                                 std::uint64_t b, bool add) {                        \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " CLOZE_ADD_##columns ", 0;\n"                                    \
                 "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." type "." type " {" CLOZE_NAMES_##columns    \
                 "}, " CLOZE_TILES_##columns ";\n}\n"                                                                \
                 : CLOZE_COLUMNS_##columns(c)                                                                        \
                 : "l"(a), "l"(b), "r"(static_cast<int>(add)));                                                      \
  }                                                                                                                  \
  template <>                                                                                                        \
  __device__ __forceinline__ void multiply_async<T, columns / 8>(float (&c)[columns / 8][4],                         \
                                                                 const std::uint32_t (&a)[4], std::uint64_t b) {     \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, 1, 0;\n"                                                          \
                 "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." type "." type " {" CLOZE_NAMES_##columns    \
                 "}, " CLOZE_REGISTERS_##columns ";\n}\n"                                                            \
                 : CLOZE_COLUMNS_##columns(c)                                                                        \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                              \
  }

CLOZE_WGMMA(BFloat16, "bf16", 64)
CLOZE_WGMMA(BFloat16, "bf16", 128)
CLOZE_WGMMA(Float16, "f16", 64)
CLOZE_WGMMA(Float16, "f16", 128)

#undef CLOZE_WGMMA
#undef CLOZE_REGISTERS_128
#undef CLOZE_ADD_128
#undef CLOZE_TILES_128
#undef CLOZE_REGISTERS_64
#undef CLOZE_ADD_64
#undef CLOZE_TILES_64
#undef CLOZE_NAMES_128
#undef CLOZE_NAMES_64
#undef CLOZE_COLUMNS_128
#undef CLOZE_COLUMNS_64
#undef CLOZE_C16
#undef CLOZE_C4
// clang-format on

}  // namespace cloze::kernels::cuda
