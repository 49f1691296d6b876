// A device without a kernel is refused at compile time, with the name of the operation.
// expect: kernel 'gemm' is not implemented for this device
#include <cloze/kernels/gemm.hpp>

struct Elsewhere {
  static constexpr std::string_view name = "elsewhere";
};
static_assert(cloze::Device<Elsewhere>);

#ifdef CLOZE_MUST_FAIL
using Chosen = Elsewhere;
#else
using Chosen = cloze::Cpu;
#endif

void multiply(const cloze::kernels::GemmArgs<float>& args) { cloze::kernels::gemm(Chosen{}, args); }
