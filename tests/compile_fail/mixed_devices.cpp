// Operands on different devices, or of different scalars, do not meet in an operator, a loss or a list.
// expect 1: operator+
// expect 1: Reference
// expect 2: operator*
// expect 2: double
// expect 3: cross_entropy
// expect 3: Reference
// expect 4: vector
#include <vector>

#include <cloze/autograd/elementwise.hpp>
#include <cloze/autograd/losses.hpp>
#include <cloze/autograd/shape_ops.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

using cloze::Reference;
using cloze::Tensor;

void mix(const Tensor<float>& here, const Tensor<float, Reference>& there, const Tensor<double>& wide) {
#if CLOZE_MUST_FAIL == 1
  static_cast<void>(here + there);
#elif CLOZE_MUST_FAIL == 2
  static_cast<void>(here * wide);
#elif CLOZE_MUST_FAIL == 3
  static_cast<void>(cloze::cross_entropy(here, there));
#elif CLOZE_MUST_FAIL == 4
  static_cast<void>(cloze::concat_rows(std::vector{here, there}));
#else
  const auto copy = there.to<cloze::Cpu>();
  static_cast<void>(here + copy);
  static_cast<void>(here * wide.to<cloze::Cpu, float>());
  static_cast<void>(cloze::cross_entropy(here, copy));
  static_cast<void>(cloze::concat_rows(std::vector{here, copy}));
#endif
}
