// One panel of a GEMM by Eigen: its own blocked product, or the BLAS that a user's EIGEN_USE_BLAS or EIGEN_USE_MKL_ALL
// puts behind it.
#pragma once

#include <string>

#include <Eigen/Core>

#include <cloze/kernels/gemm_args.hpp>
#include <cloze/tensor/storage.hpp>

namespace cloze::kernels::detail {

/// Room for Eigen's packed blocks, from the pool: left to itself Eigen takes it from the heap for every product. Eigen
/// computes the transpose of a row-major product, so its A is our B.
template <class T>
class EigenBlocks : public Eigen::internal::level3_blocking<T, T> {
 public:
  EigenBlocks(Index m, Index n, Index k) {
    this->m_mc = n;
    this->m_nc = m;
    this->m_kc = k;
    Eigen::internal::computeProductBlockingSizes<T, T>(this->m_kc, this->m_mc, this->m_nc, Index{1});
    constexpr Index line = 64 / sizeof(T);
    const Index first = (this->m_mc * this->m_kc + line - 1) / line * line;
    memory_ = Storage<T, Cpu>(first + this->m_kc * this->m_nc);
    this->m_blockA = memory_.data();
    this->m_blockB = memory_.data() + first;
  }

 private:
  Storage<T, Cpu> memory_;
};

template <bool TransposeA, bool TransposeB, class T>
void eigen_product(const GemmArgs<T>& g) {
  constexpr int a_order = TransposeA ? Eigen::ColMajor : Eigen::RowMajor;
  constexpr int b_order = TransposeB ? Eigen::ColMajor : Eigen::RowMajor;
  EigenBlocks<T> blocks(g.m, g.n, g.k);
  Eigen::internal::general_matrix_matrix_product<Eigen::Index, T, a_order, false, T, b_order, false, Eigen::RowMajor,
                                                 1>::run(g.m, g.n, g.k, g.a, g.lda, g.b, g.ldb, g.c, 1, g.ldc, T(1),
                                                         blocks, nullptr);
}

template <class T>
void gemm_panel_eigen(const GemmArgs<T>& g) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Stride = Eigen::OuterStride<>;
  using In = Eigen::Map<const Matrix, Eigen::Unaligned, Stride>;
  using Out = Eigen::Map<Matrix, Eigen::Unaligned, Stride>;
  Out c(g.c, g.m, g.n, Stride(g.ldc));
  if (!g.add) c.setZero();
  if (g.k == 0) return;
  if (g.m > 1 && g.n > 1 && g.m + g.n + g.k >= 64) {
    if (g.transpose_a) return eigen_product<true, false>(g);
    if (g.transpose_b) return eigen_product<false, true>(g);
    return eigen_product<false, false>(g);
  }
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

inline std::string eigen_name() {
  std::string name = "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
                     std::to_string(EIGEN_MINOR_VERSION);
#if defined(EIGEN_USE_MKL_ALL) || defined(EIGEN_USE_MKL)
  name += " on MKL";
#elif defined(EIGEN_USE_BLAS)
  name += " on BLAS";
#endif
  return name;
}

}  // namespace cloze::kernels::detail
