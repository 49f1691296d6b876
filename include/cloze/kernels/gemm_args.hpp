// C = op(A) op(B), or C += op(A) op(B): what a GEMM needs to know.
#pragma once

#include <cloze/core/ids.hpp>

namespace cloze::kernels {

/// Row-major matrices with row strides. op(A) is [m, k], op(B) is [k, n], C is [m, n].
/// A is stored [k, m] where transpose_a, B is stored [n, k] where transpose_b; both at once is not supported.
/// k = 0 makes the product zero; C must not overlap A or B.
template <class T>
struct GemmArgs {
  Index m, n, k;
  const T* a;
  Index lda;
  bool transpose_a;
  const T* b;
  Index ldb;
  bool transpose_b;
  T* c;
  Index ldc;
  bool add;  // add to C instead of writing it
};

}  // namespace cloze::kernels
