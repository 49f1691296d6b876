// GEMM on Cpu: Eigen's blocked product, threaded by OpenMP. The one place to put another library in its stead.
#pragma once

#include <Eigen/Core>

#include <cloze/core/device.hpp>
#include <cloze/kernels/gemm_args.hpp>

namespace cloze::kernels {

template <class T>
void gemm(Cpu, const GemmArgs<T>& g) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Stride = Eigen::OuterStride<>;
  using In = Eigen::Map<const Matrix, Eigen::Unaligned, Stride>;
  using Out = Eigen::Map<Matrix, Eigen::Unaligned, Stride>;
  if (g.m == 0 || g.n == 0) return;
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

}  // namespace cloze::kernels
