#include <cloze/kernels/cuda/launch.cuh>

#include <cloze/tensor/tensor.hpp>

#include "support/gpu.hpp"

using cloze::Cuda;
using cloze::Index;
using cloze::Tensor;
using cloze::kernels::cuda::blocks_for;
using cloze::kernels::cuda::launch;

namespace {

__global__ void count_up(float* x, Index size, float by) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < size) x[i] += by;
}

}  // namespace

TEST_CASE("a launched kernel sees its arguments, and runs after what was launched before", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  auto x = Tensor<float, Cuda>::zeros({1000});
  for (int i = 1; i <= 3; ++i) launch(count_up, blocks_for(1000, 128), 128, 0, "count up", x.data(), 1000, 0.5f);
  CHECK(x.to_vector() == std::vector<float>(1000, 1.5f));
}

TEST_CASE("a grid without blocks is nothing to do", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  CHECK(blocks_for(0, 128) == 0);
  launch(count_up, 0, 128, 0, "count up", nullptr, 0, 0.5f);
  launch(count_up, dim3(3, 0), 128, 0, "count up", nullptr, 0, 0.5f);
}

TEST_CASE("a launch beyond the GPU's limits is an error, and leaves nothing behind", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  REQUIRE_ERROR(launch(count_up, 1, 2048, 0, "count up", nullptr, 0, 0.0f), "cloze.cuda.6");
  REQUIRE_ERROR(launch(count_up, dim3(1, 65536), 32, 0, "count up", nullptr, 0, 0.0f), "cloze.cuda.6");
  REQUIRE_ERROR(launch(count_up, 1, 32, std::size_t{1} << 30, "count up", nullptr, 0, 0.0f), "cloze.cuda.6");
  REQUIRE_ERROR(blocks_for(Index{1} << 60, 4), "cloze.cuda.6");
  auto x = Tensor<float, Cuda>::zeros({3});
  launch(count_up, 1, 32, 0, "count up", x.data(), 3, 2.0f);
  launch(count_up, 1, 32, 100 * 1024, "count up", x.data(), 3, 2.0f);  // more than comes without asking
  CHECK(x.to_vector() == std::vector<float>(3, 4.0f));
}

TEST_CASE("every failure of the runtime has its id and says what was tried", "[cuda]") {
  using cloze::cuda::check;
  check(cudaSuccess, "nothing");
  REQUIRE_ERROR(check(cudaErrorNoDevice, "x"), "cloze.cuda.1");
  REQUIRE_ERROR(check(cudaErrorInsufficientDriver, "x"), "cloze.cuda.1");
  REQUIRE_ERROR(check(cudaErrorMemoryAllocation, "x"), "cloze.cuda.3");
  REQUIRE_ERROR(check(cudaErrorInvalidValue, "x"), "cloze.cuda.4");
  REQUIRE_ERROR(check(cudaErrorNoKernelImageForDevice, "x"), "cloze.cuda.5");
  try {
    check(cudaErrorInvalidValue, "copying [3, 4]");
  } catch (const cloze::Error& error) {
    CHECK(std::string(error.what()).find("copying [3, 4]") != std::string::npos);
  }
}
