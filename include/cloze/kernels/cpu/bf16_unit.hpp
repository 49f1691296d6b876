// What this machine multiplies bf16 numbers with, found out once and without executing anything that could trap.
#pragma once

#include <string_view>

// In programs compiled for AVX-512 by GCC or Clang; the functions that need more say so themselves. Others are spared
// the compiler's header of all instructions.
#if defined(__x86_64__) && defined(__AVX512F__) && (defined(__GNUC__) || defined(__clang__))
#define CLOZE_BF16_KERNELS
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace cloze::kernels::detail {

/// Units that multiply pairs of bf16 and add to float.
enum class Bf16Unit {
  none,
  avx512,  // AVX512_BF16: Zen 4 and later, Cooper Lake, Sapphire Rapids and later
  amx,     // AMX_BF16: tiles of Sapphire Rapids and later
};

inline std::string_view name_of(Bf16Unit unit) {
  return unit == Bf16Unit::amx ? "AMX" : unit == Bf16Unit::avx512 ? "AVX-512" : "none";
}

#ifdef CLOZE_BF16_KERNELS
/// AMX needs three parties: the processor announces it, the system keeps its registers (XCR0), and Linux lends them to
/// this process when asked, else the first tile instruction is fatal. Leaf 0x1D of CPUID, the sizes of tiles, is not
/// asked: virtual machines hide it (libraries that trust it then load an empty configuration, and die). The sizes of
/// palette 1, which the kernels use, are fixed.
inline Bf16Unit find_bf16_unit() {
  unsigned a = 0, b = 0, c = 0, d = 0, low = 0;
  [[maybe_unused]] unsigned high = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c >> 27 & 1) == 0) return Bf16Unit::none;  // OSXSAVE: XCR0 can be read
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  unsigned sub = 0, sub_b = 0, sub_c = 0, sub_d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || a < 1 || !__get_cpuid_count(7, 1, &sub, &sub_b, &sub_c, &sub_d))
    return Bf16Unit::none;
  constexpr unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
  if ((low & 0xe6) != 0xe6 || (b & avx512) != avx512 || (sub >> 5 & 1) == 0) return Bf16Unit::none;
#ifdef __linux__
  constexpr unsigned tiles = 1u << 24 | 1u << 22;  // AMX_TILE, AMX_BF16
  constexpr long ask = 0x1023, tile_data = 18;     // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  if ((low & 0x60000) == 0x60000 && (d & tiles) == tiles && syscall(SYS_arch_prctl, ask, tile_data) == 0)
    return Bf16Unit::amx;
#endif
  return Bf16Unit::avx512;
}
#endif

inline Bf16Unit bf16_unit() {
#ifdef CLOZE_BF16_KERNELS
  static const Bf16Unit unit = find_bf16_unit();
  return unit;
#else
  return Bf16Unit::none;
#endif
}

}  // namespace cloze::kernels::detail
