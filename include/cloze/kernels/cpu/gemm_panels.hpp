// GEMM in panels of C, one a thread, each computed by the library that was chosen at configure time.
#pragma once

#include <algorithm>

#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/gemm_eigen.hpp>
#include <cloze/kernels/cpu/gemm_onednn.hpp>
#include <cloze/kernels/gemm_args.hpp>

namespace cloze::kernels::detail {

template <class T>
void gemm_panel(const GemmArgs<T>& g) {
#ifdef CLOZE_WITH_ONEDNN
  if constexpr (sizeof(T) == sizeof(float)) return gemm_panel_onednn(g);
#endif
  gemm_panel_eigen(g);
}

/// Width of the panels that a side of C is cut into: an even number of them, all but the last equal, and whole tiles of
/// the library's kernel. Measured: panels of 384 gain 3 to 7 % over 192, wider ones 1 to 2 % more; uneven ones let
/// threads wait.
inline Index panel_width(Index side, Index tile) {
  const Index count = side < 192 ? 1 : side < 768 ? 2 : side < 1536 ? 4 : (side + 384) / 768 * 2;
  return (side + count * tile - 1) / (count * tile) * tile;
}

/// The longer side of C is cut into panels, so the smaller operand is the one that is packed once a panel. Panels
/// depend on the shape alone: libraries choose their loops, and with them the last bits, by the size of what they are
/// given. Each works on its panel's thread only: its own threads would wait for each other by spinning, and may cut k.
template <class T>
void gemm_panels(const GemmArgs<T>& g) {
  constexpr Index least = 256 * 1024;  // multiplications that one thread finishes before another one wakes up
  const bool rows = g.m >= g.n;
  const Index step = rows ? panel_width(g.m, 8) : panel_width(g.n, 48);
  const Index steps = ((rows ? g.m : g.n) + step - 1) / step;
  const Index work = step * (rows ? g.n : g.m) * std::max<Index>(1, g.k);
  parallel_for(steps, (least + work - 1) / work, [&](Index begin, Index end) {
    const OneThread alone;
    for (Index first = begin * step; first < std::min(end * step, rows ? g.m : g.n); first += step) {
      GemmArgs<T> panel = g;
      if (rows) {
        panel.m = std::min(step, g.m - first);
        panel.a += g.transpose_a ? first : first * g.lda;
        panel.c += first * g.ldc;
      } else {
        panel.n = std::min(step, g.n - first);
        panel.b += g.transpose_b ? first * g.ldb : first;
        panel.c += first;
      }
      gemm_panel(panel);
    }
  });
}

}  // namespace cloze::kernels::detail
