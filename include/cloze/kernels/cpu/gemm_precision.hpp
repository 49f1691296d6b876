// The precision of float matrix products on Cpu: the user's choice, float until then.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string_view>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/kernels/cpu/gemm_bf16.hpp>
#include <cloze/kernels/cpu/gemm_panels.hpp>

namespace cloze::kernels {

enum class GemmPrecision {
  float32,  // as the tensors
  bf16,     // operands rounded to bf16 (8 bits of precision), sums, weights, gradients and moments in float
  fastest,  // bf16 where it is at least a tenth faster than float32 on this machine, measured once in a process
};

/// "float32", "bf16" or "fastest", for command lines. Throws [cloze.gemm.3] on any other name.
inline GemmPrecision gemm_precision_named(std::string_view name) {
  if (name == "float32") return GemmPrecision::float32;
  if (name == "bf16") return GemmPrecision::bf16;
  if (name == "fastest") return GemmPrecision::fastest;
  fail("cloze.gemm.3", "\"{}\" is no precision of matrix products: float32, bf16 or fastest", name);
}

namespace detail {

/// The unit that float products use; none: they are float.
inline std::atomic<Bf16Unit>& gemm_unit() {
  static std::atomic<Bf16Unit> unit{Bf16Unit::none};
  return unit;
}

#ifdef CLOZE_BF16_KERNELS
/// Times a product of 256 x 768 x 768 with a transposed weight, as layers have them, on this thread: 2 to 20 ms in all.
inline bool bf16_is_faster(Bf16Unit unit) {
  using Clock = std::chrono::steady_clock;
  constexpr Index m = 256, n = 768, k = 768;
  const std::vector<float> x(m * k, 1.0f), w(n * k, 1.0f);
  std::vector<float> y(m * n);
  const GemmArgs<float> g{m, n, k, x.data(), k, false, w.data(), k, true, y.data(), n, false};
  const OneThread alone;
  auto best_float = Clock::duration::max(), best_bf16 = Clock::duration::max();
  const auto timed = [](auto&& body) {
    const auto start = Clock::now();
    body();
    return Clock::now() - start;
  };
  for (int round = 0; round < 4; ++round) {  // the first one warms up caches and clocks
    const auto in_float = timed([&] { gemm_panels(g); }), in_bf16 = timed([&] { gemm_bf16(unit, g); });
    if (round == 0) continue;
    best_float = std::min(best_float, in_float);
    best_bf16 = std::min(best_bf16, in_bf16);
  }
  return best_bf16 * 10 < best_float * 9;
}
#endif

}  // namespace detail

/// float32 or bf16.
inline GemmPrecision gemm_precision() {
  return detail::gemm_unit().load() == detail::Bf16Unit::none ? GemmPrecision::float32 : GemmPrecision::bf16;
}

/// Sets the precision of all float matrix products on Cpu from now on, in all threads: call it before the model runs.
/// Doubles, attention, normalisation, losses and optimizers are not concerned. With `fastest`, gemm_precision() and
/// gemm_backend() say what was chosen; ask for one by name where runs must repeat to the bit.
/// Throws [cloze.gemm.2] for bf16 where this machine has neither AVX512_BF16 nor AMX, or the program was not compiled
/// for AVX-512 (-march=native) by GCC or Clang.
inline void set_gemm_precision(GemmPrecision precision) {
  const detail::Bf16Unit unit = precision == GemmPrecision::float32 ? detail::Bf16Unit::none : detail::bf16_unit();
  require(precision != GemmPrecision::bf16 || unit != detail::Bf16Unit::none, "cloze.gemm.2",
          "set_gemm_precision: bf16 needs a processor with AVX512_BF16 or AMX and a program compiled for it "
          "(-march=native): one of them is missing; float32 runs everywhere, fastest chooses");
#ifdef CLOZE_BF16_KERNELS
  if (precision == GemmPrecision::fastest && unit != detail::Bf16Unit::none) {
    static const bool faster = detail::bf16_is_faster(unit);
    detail::gemm_unit() = faster ? unit : detail::Bf16Unit::none;
    return;
  }
#endif
  detail::gemm_unit() = unit;
}

}  // namespace cloze::kernels
