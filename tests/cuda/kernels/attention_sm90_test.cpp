// wgmma is code for sm_90a only: nvcc compiles this for that architecture, with CLOZE_TEST_CUDA_SM90.
#if defined(CLOZE_CUDA_EMULATOR) || defined(CLOZE_TEST_CUDA_SM90)

#include <cloze/kernels/cuda/attention_sm90_forward.cuh>
#include <cloze/tensor/storage.hpp>

namespace cloze {

/// Cuda with the kernel for Hopper.
struct Sm90 : Cuda {
  static inline int taken = 0;  // calls of it
};
template <>
struct Memory<Sm90> : Memory<Cuda> {};
template <>
struct Transfer<Cpu, Sm90> : Transfer<Cpu, Cuda> {};
template <>
struct Transfer<Sm90, Cpu> : Transfer<Cuda, Cpu> {};

namespace kernels {
inline void attention_forward(Sm90, const AttentionArgs<BFloat16>& a) {
  require(cuda::sm90_takes(a), "cloze.attention.7", "not a case for wgmma");
  ++Sm90::taken;
  cuda::attention_forward_sm90(a);
}
inline void attention_backward(Sm90, const AttentionBackwardArgs<BFloat16>&) {}
}  // namespace kernels
}  // namespace cloze

#include "cuda/kernels/attention_cases.hpp"
#include "support/catch.hpp"
#include "support/gpu.hpp"

using namespace cloze;
using cloze::test::attention_error;
using cloze::test::attention_name;
using cloze::test::AttentionCase;
using cloze::test::run_attention;

TEST_CASE("attention by wgmma agrees with Reference in double to what 16 bits can hold, in any order", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  Sm90::taken = 0;
  for (const AttentionCase& c : test::attention_cases()) {
    if (c.bias != AttentionCase::none || c.p != 0 || c.scale < 0) continue;
    INFO(attention_name(c));
    const auto exact = run_attention<double, Reference, BFloat16>(c, false);
    std::vector<test::AttentionResults> runs;
    test::every_order([&] { runs.push_back(run_attention<BFloat16, Sm90, BFloat16>(c, false)); });
    CHECK(attention_error(runs[0].o, exact.o) <= 1.5 * 0x1p-8);
    CHECK(attention_error(runs[0].lse, exact.lse) <= 1e-5);
    for (const auto& run : runs) CHECK(attention_error(run, runs[0]) == 0);
  }
  CHECK(Sm90::taken > 10);
}

#endif
