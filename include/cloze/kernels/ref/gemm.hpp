// GEMM on Reference: three loops, one accumulator in T.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/gemm_args.hpp>

namespace cloze::kernels {

template <class T>
void gemm(Reference, const GemmArgs<T>& g) {
  for (Index i = 0; i < g.m; ++i)
    for (Index j = 0; j < g.n; ++j) {
      T sum{0};
      for (Index p = 0; p < g.k; ++p)
        sum += (g.transpose_a ? g.a[p * g.lda + i] : g.a[i * g.lda + p]) *
               (g.transpose_b ? g.b[j * g.ldb + p] : g.b[p * g.ldb + j]);
      T& c = g.c[i * g.ldc + j];
      c = g.add ? c + sum : sum;
    }
}

}  // namespace cloze::kernels
