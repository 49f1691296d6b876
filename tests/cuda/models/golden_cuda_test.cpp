// Whole models on Cuda against Hugging Face: in float; in double too where CLOZE_TEST_CUDA_DOUBLE asks for it, which
// doubles what this costs to compile.
#include "support/golden_checks.hpp"
#include "support/gpu.hpp"
#include "support/shared.hpp"

using namespace cloze;

namespace {

void check_on_cuda(const std::filesystem::path& folder) {
  test::check_folder<float, Cuda>(folder);
#ifdef CLOZE_TEST_CUDA_DOUBLE
  test::check_folder<double, Cuda>(folder);
#endif
}

}  // namespace

TEST_CASE("tiny models on Cuda agree with transformers, in float to 1e-5 and 1e-4", "[cuda][models]") {
  CLOZE_GPU_OR_SKIP();
  for (const auto& folder : test::own_golden_models()) check_on_cuda(folder);
}

TEST_CASE("the shared golden models agree on Cuda", "[cuda][models]") {
  CLOZE_GPU_OR_SKIP();
  CLOZE_SHARED_OR_SKIP(folder, "data/golden/models");
  for (const char* name : test::shared_golden_models) check_on_cuda(folder / name);
}
