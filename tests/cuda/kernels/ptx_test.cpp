#include <cloze/kernels/cuda/launch.cuh>
#include <cloze/kernels/cuda/ptx.cuh>
#include <cloze/kernels/cuda/shared.cuh>

#include <vector>

#include "cuda/kernels/attention_cases.hpp"
#include "support/catch.hpp"
#include "support/gpu.hpp"

using namespace cloze;
namespace k = cloze::kernels::cuda;

namespace {

/// c = a · b by one warp: a [16, 16]; b [16, 8], read from a tile that holds it by rows (transposed load) or by
/// columns.
template <class T>
__global__ void multiply(const T* a, const T* b, float* c, bool by_rows) {
  unsigned char* shared = k::dynamic_shared();
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  // 16 rows of 16 columns each, 32 bytes a row; b by rows fills half of each row.
  k::copy_16_bytes(shared + lane * 16, a + lane * 8, true);
  k::end_copies();
  for (int e = lane; e < 128; e += 32) {
    const int row = e / 8, column = e % 8;
    const int at = by_rows ? row * 16 + column : column * 16 + row;
    reinterpret_cast<T*>(shared + 512)[at] = b[e];
  }
  k::await_copies<0>();
  __syncthreads();
  std::uint32_t left[4], right[4];
  k::load_matrices(left, shared + lane % 16 * 32 + lane / 16 * 16);
  if (by_rows)
    k::load_matrices_transposed(right, shared + 512 + lane % 16 * 32);
  else
    k::load_matrices(right, shared + 512 + lane % 8 * 32 + lane / 8 % 2 * 16);
  float sums[4] = {1, 2, 3, 4};
  k::mma<T>(sums, left, right[0], right[1]);
  c[g * 8 + 2 * t] = sums[0];
  c[g * 8 + 2 * t + 1] = sums[1];
  c[(g + 8) * 8 + 2 * t] = sums[2];
  c[(g + 8) * 8 + 2 * t + 1] = sums[3];
}

__global__ void fill_or_zero(const float* from, float* to, int there) {
  unsigned char* shared = k::dynamic_shared();
  const int lane = static_cast<int>(threadIdx.x);
  k::copy_16_bytes(shared + lane * 16, from + lane * 4, lane < there);
  k::end_copies();
  k::await_copies<0>();
  for (int i = 0; i < 4; ++i) to[lane * 4 + i] = reinterpret_cast<const float*>(shared)[lane * 4 + i];
}

template <class T>
__global__ void round_trip(const float* x, float* y) {
  y[threadIdx.x] = k::widen(k::narrow<T>(x[threadIdx.x]));
}

}  // namespace

TEMPLATE_TEST_CASE("a warp's matrix loads and mma are a product of matrices", "[cuda]", BFloat16, Float16) {
  using T = TestType;
  CLOZE_GPU_OR_SKIP();
  const auto a = test::attention_numbers<T>(256, 1), b = test::attention_numbers<T>(128, 2);
  const test::There<T, Cuda> a_there(a), b_there(b);
  for (const bool by_rows : {false, true}) {
    const test::There<float, Cuda> c(std::vector<float>(128));
    k::launch(&multiply<T>, dim3(1), dim3(32), 1024, "test", a_there.data(), b_there.data(), c.data(), by_rows);
    const auto found = c.back();
    for (std::size_t m = 0; m < 16; ++m)
      for (std::size_t n = 0; n < 8; ++n) {
        double sum = (m < 8 ? 1 : 3) + static_cast<double>(n % 2);
        for (std::size_t x = 0; x < 16; ++x) sum += convert<double>(a[m * 16 + x]) * convert<double>(b[x * 8 + n]);
        CHECK(std::abs(found[m * 8 + n] - sum) < 1e-5);
      }
  }
}

TEST_CASE("an asynchronous copy writes zeros where there is nothing to read", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const auto x = test::attention_numbers<float>(128, 1);
  const test::There<float, Cuda> from(x), to(std::vector<float>(128, 7));
  k::launch(&fill_or_zero, dim3(1), dim3(32), 512, "test", from.data(), to.data(), 20);
  const auto found = to.back();
  for (std::size_t i = 0; i < 128; ++i) CHECK(found[i] == (i < 80 ? x[i] : 0.0f));
}

TEMPLATE_TEST_CASE("a GPU rounds to 16 bits as the host does", "[cuda]", BFloat16, Float16) {
  CLOZE_GPU_OR_SKIP();
  std::vector<float> x = test::attention_numbers<float>(24, 3);
  for (const float special : {0.0f, -0.0f, 1e-40f, 3e-8f, 70000.0f, 3e38f, INFINITY, -INFINITY}) x.push_back(special);
  const test::There<float, Cuda> from(x), to(std::vector<float>(x.size()));
  k::launch(&round_trip<TestType>, dim3(1), dim3(static_cast<unsigned>(x.size())), 0, "test", from.data(), to.data());
  const auto found = to.back();
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(found[i] == to_float(convert<TestType>(x[i])));
}
