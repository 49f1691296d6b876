// Cuda in a source file that nvcc does not compile, and 16-bit elements on a device that does not compute with them.
// expect 1: this device has no memory here
// expect 2: this device computes in float or double only
#include <cloze/autograd/elementwise.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

template <class T, class D>
void use() {
  const auto x = cloze::Tensor<T, D>::zeros({3});
  static_cast<void>(x + x);
}

void call() {
#if CLOZE_MUST_FAIL == 1
  use<float, cloze::Cuda>();
#elif CLOZE_MUST_FAIL == 2
  use<cloze::BFloat16, cloze::Cpu>();
#else
  use<float, cloze::Cpu>();
#endif
}
