// A new device with memory but without kernels: tensors work, an operation is refused with the name of its kernel.
// expect 1: kernel 'softmax_forward' is not implemented for this device
// expect 2: kernel 'combine' is not implemented for this device
// expect 3: kernel 'cross_entropy_forward' is not implemented for this device
#include <vector>

#include <cloze/autograd/elementwise.hpp>
#include <cloze/autograd/losses.hpp>
#include <cloze/autograd/softmax.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

struct Elsewhere {
  static constexpr std::string_view name = "elsewhere";
};
template <>
struct cloze::Memory<Elsewhere> : cloze::Memory<cloze::Cpu> {};

std::vector<float> use() {
  const auto x = cloze::Tensor<float, Elsewhere>::from({1, 2}, {1, 2});
#if CLOZE_MUST_FAIL == 1
  return cloze::softmax(x).to_vector();
#elif CLOZE_MUST_FAIL == 2
  return (x + x).to_vector();
#elif CLOZE_MUST_FAIL == 3
  return cloze::cross_entropy(x, std::vector<cloze::Index>{1}).to_vector();
#else
  return x.to<cloze::Cpu>().to_vector();
#endif
}
