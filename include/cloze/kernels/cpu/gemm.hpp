// GEMM on Cpu: float and double by a library, panel by panel; float in bf16 where the user asked for it.
#pragma once

#include <string>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cpu/gemm_panels.hpp>
#include <cloze/kernels/cpu/gemm_precision.hpp>

namespace cloze::kernels {

/// Nothing depends on the number of threads: not the panels, nor the order of a sum.
template <class T>
void gemm(Cpu, const GemmArgs<T>& g) {
  if (g.m == 0 || g.n == 0) return;
#ifdef CLOZE_BF16_KERNELS
  if constexpr (sizeof(T) == sizeof(float)) {
    const auto unit = detail::gemm_unit().load(std::memory_order_relaxed);
    if (unit != detail::Bf16Unit::none && g.k > 0) return detail::gemm_bf16(unit, g);
  }
#endif
  detail::gemm_panels(g);
}

/// What is behind gemm() for elements of type T: the library, with the version that is loaded ("oneDNN 2.6.3",
/// "Eigen 3.4.0"), or the kernels of the precision that was set ("bf16 by AMX").
template <class T = float>
std::string gemm_backend(Cpu = {}) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (gemm_precision() == GemmPrecision::bf16)
      return "bf16 by " + std::string(detail::name_of(detail::gemm_unit().load()));
#ifdef CLOZE_WITH_ONEDNN
    return detail::onednn_name();
#endif
  }
  return detail::eigen_name();
}

}  // namespace cloze::kernels
