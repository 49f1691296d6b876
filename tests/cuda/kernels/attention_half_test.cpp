#include "cuda/kernels/attention_cases.hpp"

#include "support/catch.hpp"
#include "support/gpu.hpp"

using namespace cloze;
using cloze::test::attention_error;
using cloze::test::attention_name;
using cloze::test::AttentionCase;
using cloze::test::run_attention;

#if defined(CLOZE_CUDA_EMULATOR) || defined(CLOZE_TEST_CUDA_HALF)

// The kernels differ in one instruction between the two types: one of them is enough but for a whole run.
#ifdef CLOZE_TEST_CUDA_HALF
#define CLOZE_HALF_TYPES BFloat16, Float16
#else
#define CLOZE_HALF_TYPES BFloat16
#endif

TEMPLATE_TEST_CASE("attention on tensor cores agrees with Reference in double to what 16 bits can hold", "[cuda]",
                   CLOZE_HALF_TYPES) {
  using T = TestType;
  CLOZE_GPU_OR_SKIP();
  const double ulp = std::same_as<T, BFloat16> ? 0x1p-8 : 0x1p-11;
  double worst[6] = {};
  for (const AttentionCase& c : test::attention_cases()) {
    INFO(attention_name(c));
    const auto exact = run_attention<double, Reference, T>(c);
    const auto found = run_attention<T, Cuda, T>(c);
    const double errors[6]{attention_error(found.o, exact.o),   attention_error(found.lse, exact.lse),
                           attention_error(found.dq, exact.dq), attention_error(found.dk, exact.dk),
                           attention_error(found.dv, exact.dv), attention_error(found.dbias, exact.dbias)};
    for (int k = 0; k < 6; ++k) worst[k] = std::max(worst[k], errors[k] / ulp);
    CHECK(errors[0] <= 1.5 * ulp);
    CHECK(errors[1] <= 1e-5);
    CHECK(errors[2] <= 2 * ulp);
    CHECK(errors[3] <= 2 * ulp);
    CHECK(errors[4] <= 2 * ulp);
    // What the rounding of o does to do·o is the same for all keys of a query, and adds up along a bias.
    CHECK(errors[5] <= 30 * ulp);
  }
  INFO("units in the last place: o " << worst[0] << ", lse " << worst[1] << ", dq " << worst[2] << ", dk " << worst[3]
                                     << ", dv " << worst[4] << ", bias " << worst[5]);
  CHECK(worst[0] > 0.1);  // 16 bits they are
}

TEST_CASE("attention on tensor cores has the same bits in any order of threads and blocks", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const AttentionCase& c : test::attention_cases()) {
    std::vector<test::AttentionResults> runs;
    test::every_order([&] { runs.push_back(run_attention<BFloat16, Cuda, BFloat16>(c)); });
    INFO(attention_name(c));
    for (const auto& run : runs) CHECK(attention_error(run, runs[0]) == 0);
  }
}

#else

TEST_CASE("the attention kernels for tensor cores compile for heads of 64", "[cuda]") {
  using namespace cloze::kernels::cuda;
  using T = BFloat16;
  std::vector<const void*> kernels{reinterpret_cast<const void*>(&attention_half_forward<T, 64, 1, true>),
                                   reinterpret_cast<const void*>(&attention_half_forward<T, 64, 2, false>),
                                   reinterpret_cast<const void*>(&attention_half_dkv<T, 64, 4, true, false>),
                                   reinterpret_cast<const void*>(&attention_half_dkv<T, 64, 4, false, true>),
                                   reinterpret_cast<const void*>(&attention_half_dq<T, 64, false>)};
#ifdef CLOZE_TEST_CUDA_SM90
  for (const void* kernel : {reinterpret_cast<const void*>(&attention_sm90_forward<T, 64>),
                             reinterpret_cast<const void*>(&attention_sm90_dkv<T, 64>),
                             reinterpret_cast<const void*>(&attention_sm90_dq<T, 64>)})
    kernels.push_back(kernel);
#endif
  for (const void* kernel : kernels) CHECK(kernel != nullptr);
}

#endif
