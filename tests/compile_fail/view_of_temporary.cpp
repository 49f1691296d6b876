// An Eigen or xtensor view of a temporary tensor, or of the result of an operation, would outlive its memory.
// expect 1: deleted
// expect 1: eigen()
// expect 2: deleted
// expect 2: xtensor()
// expect 3: deleted
// expect 3: data()
// expect 4: deleted
// expect 4: span()
#include <cloze/autograd/elementwise.hpp>
#include <cloze/tensor/eigen.hpp>
#include <cloze/tensor/xtensor.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

float first(const cloze::Tensor<float>& a, const cloze::Tensor<float>& b) {
#if CLOZE_MUST_FAIL == 1
  return (a + b).eigen()(0, 0);
#elif CLOZE_MUST_FAIL == 2
  return (a + b).xtensor<2>()(0, 0);
#elif CLOZE_MUST_FAIL == 3
  return *(a + b).data();
#elif CLOZE_MUST_FAIL == 4
  return (a + b).span()[0];
#else
  const auto sum = a + b;
  return sum.eigen()(0, 0) + sum.xtensor<2>()(0, 0) + *sum.data() + sum.span()[0];
#endif
}
