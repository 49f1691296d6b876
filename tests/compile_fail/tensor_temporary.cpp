// A pointer or view into a temporary tensor would outlive it: every way to take one is deleted.
// expect 1: deleted
// expect 1: data()
// expect 2: deleted
// expect 2: span()
// expect 3: deleted
// expect 3: eigen()
#include <cloze/tensor/tensor.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

using Matrix = cloze::Tensor<float>;

const void* view() {
  static const Matrix named = Matrix::zeros({2, 3});
#if CLOZE_MUST_FAIL == 1
  return Matrix::zeros({2, 3}).data();
#elif CLOZE_MUST_FAIL == 2
  return Matrix::zeros({2, 3}).span().data();
#elif CLOZE_MUST_FAIL == 3
  return Matrix::zeros({2, 3}).eigen().data();
#else
  return named.span().data();
#endif
}
