// Operands on different devices, or of different scalars, do not meet; elements are floating-point numbers.
// expect 1: no matching function
// expect 1: matmul
// expect 2: no matching function
// expect 2: matmul
// expect 3: constraint
// expect 3: floating_point
#include <cloze/autograd/linear.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

using cloze::Cpu;
using cloze::Reference;
using cloze::Tensor;

void mix() {
  const auto a = Tensor<float, Cpu>::zeros({2, 2});
#if CLOZE_MUST_FAIL == 1
  const auto b = Tensor<float, Reference>::zeros({2, 2});
#elif CLOZE_MUST_FAIL == 2
  const auto b = Tensor<double, Cpu>::zeros({2, 2});
#elif CLOZE_MUST_FAIL == 3
  const auto b = Tensor<int, Cpu>::zeros({2, 2});
#else
  const auto b = Tensor<float, Cpu>::zeros({2, 2});
#endif
  static_cast<void>(cloze::matmul(a, b));
}
