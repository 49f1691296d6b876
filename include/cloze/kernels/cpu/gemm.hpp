// GEMM on Cpu: Eigen's blocked product on panels of C, one panel a thread. The one place to put another library in its
// stead.
#pragma once

#include <algorithm>

#include <Eigen/Core>

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/gemm_args.hpp>

namespace cloze::kernels {

namespace detail {

template <class T>
void gemm_panel(const GemmArgs<T>& g) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Stride = Eigen::OuterStride<>;
  using In = Eigen::Map<const Matrix, Eigen::Unaligned, Stride>;
  using Out = Eigen::Map<Matrix, Eigen::Unaligned, Stride>;
  Out c(g.c, g.m, g.n, Stride(g.ldc));
  if (!g.add) c.setZero();
  if (g.k == 0) return;
  const In a(g.a, g.transpose_a ? g.k : g.m, g.transpose_a ? g.m : g.k, Stride(g.lda));
  const In b(g.b, g.transpose_b ? g.n : g.k, g.transpose_b ? g.k : g.n, Stride(g.ldb));
  if (g.transpose_a) {
    c.noalias() += a.transpose() * b;
  } else if (g.transpose_b) {
    c.noalias() += a * b.transpose();
  } else {
    c.noalias() += a * b;
  }
}

}  // namespace detail

/// The longer side of C is cut into a panel for each thread. Inside a parallel region Eigen works on its own thread
/// alone; its own threads would wait for each other by spinning, which collapses where a core is shared.
template <class T>
void gemm(Cpu, const GemmArgs<T>& g) {
  if (g.m == 0 || g.n == 0) return;
  constexpr Index step = 16;           // panels begin at whole vectors
  constexpr Index serial = 64 * 1024;  // multiplications that one thread finishes before another one wakes up
  const bool rows = g.m >= g.n;
  const Index steps = ((rows ? g.m : g.n) + step - 1) / step;
  if (g.m * g.n * g.k < serial) return detail::gemm_panel(g);
  parallel_for(steps, 1, [&](Index begin, Index end) {
    GemmArgs<T> panel = g;
    const Index first = begin * step;
    if (rows) {
      panel.m = std::min(end * step, g.m) - first;
      panel.a += g.transpose_a ? first : first * g.lda;
      panel.c += first * g.ldc;
    } else {
      panel.n = std::min(end * step, g.n) - first;
      panel.b += g.transpose_b ? first * g.ldb : first;
      panel.c += first;
    }
    detail::gemm_panel(panel);
  });
}

}  // namespace cloze::kernels
