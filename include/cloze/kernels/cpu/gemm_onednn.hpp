// One panel of a float GEMM by oneDNN; empty without CLOZE_WITH_ONEDNN, which the CMake target and the pkg-config file
// define where the library was found.
#pragma once

#ifdef CLOZE_WITH_ONEDNN
#ifndef _OPENMP
#error "CLOZE_WITH_ONEDNN needs OpenMP (-fopenmp): oneDNN would start threads of its own otherwise"
#endif

#include <algorithm>
#include <string>

#include <oneapi/dnnl/dnnl.h>

#include <cloze/core/error.hpp>
#include <cloze/kernels/gemm_args.hpp>

namespace cloze::kernels::detail {

/// Row-major, any strides, no primitive to create: operands are packed by the call itself, each once.
/// Throws [cloze.gemm.1] where oneDNN fails (it ran out of memory).
inline void gemm_panel_onednn(const GemmArgs<float>& g) {
  if (g.k == 0) {
    if (!g.add)
      for (Index i = 0; i < g.m; ++i) std::fill_n(g.c + i * g.ldc, g.n, 0.0f);
    return;
  }
  const auto status = dnnl_sgemm(g.transpose_a ? 'T' : 'N', g.transpose_b ? 'T' : 'N', g.m, g.n, g.k, 1.0f, g.a, g.lda,
                                 g.b, g.ldb, g.add ? 1.0f : 0.0f, g.c, g.ldc);
  require(status == dnnl_success, "cloze.gemm.1", "gemm: oneDNN failed with status {} at [{}, {}] = [{}, {}] [{}, {}]",
          static_cast<int>(status), g.m, g.n, g.m, g.k, g.k, g.n);
}

inline std::string onednn_name() {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

}  // namespace cloze::kernels::detail
#endif
