// Hopper's instructions by themselves. On a GPU these tests ask whether the manual was read rightly; on the emulator,
// by the same reading, whether misuse is noticed. nvcc compiles them for sm_90a only.
#if defined(CLOZE_CUDA_EMULATOR) || defined(CLOZE_TEST_CUDA_SM90)

#include <vector>

#include <cloze/kernels/cuda/attention.cuh>

#include "cuda/kernels/attention_cases.hpp"
#include "support/catch.hpp"
#include "support/gpu.hpp"

using namespace cloze;
namespace k = cloze::kernels::cuda;

namespace {

/// One box of a tensor to `to`, row by row.
template <class T>
__global__ void fetch_box(const __grid_constant__ k::TensorMap map, T* to, int column, int head, int row) {
#if CLOZE_CUDA_SM90A
  __shared__ k::SharedBarrier barrier;
  const k::HalfTile<64> tile{k::dynamic_shared()};
  if (threadIdx.x == 0) {
    k::begin_barrier(&barrier, 1);
    k::show_barriers();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    k::arrive_expecting(&barrier, k::tensor_box_bytes);
    k::copy_box(map, tile.data, &barrier, column, head, row);
  }
  k::await_phase(&barrier, 0);
  for (int e = static_cast<int>(threadIdx.x); e < 64 * 64; e += 128)
    to[e] = reinterpret_cast<const T*>(tile.at(e / 64, e % 64 / 8))[e % 8];
#endif
}

/// c [64, N] = a bᵀ, then += a' b' with a' in registers: a [64, 64], b [N, 64]; b' [64, N] by rows, in pages of 64
/// columns.
template <class T, int N>
__global__ void multiply_tiles(const T* a, const T* b, const T* b2, float* c) {
#if CLOZE_CUDA_SM90A
  const k::Sm90Tile<64, 64> left{k::dynamic_shared()};
  const k::Sm90Tile<N, 64> right{left.data + left.bytes};
  const k::Sm90Tile<64, N> summed{right.data + right.bytes};
  const auto write = [](const auto& tile, const T* from, int rows, int columns) {
    for (int e = static_cast<int>(threadIdx.x); e < rows * columns; e += 128)
      reinterpret_cast<T*>(tile.page(e % columns / 64).at(e / columns, e % 64 / 8))[e % 8] = from[e];
  };
  write(left, a, 64, 64);
  write(right, b, N, 64);
  write(summed, b2, 64, N);
  k::show_to_products();
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4,
            t = lane % 4;
  float sums[N / 8][4];
  std::uint32_t again[4][4];
  for (int x = 0; x < 4; ++x) left.page(0).left(again[x], 16 * warp, 16 * x);
  k::order_registers();
  k::sm90_multiply<T>(sums, left, 0, right);
  k::sm90_multiply<T>(sums, again, summed);
  k::end_products();
  k::await_products<0>();
  for (int n = 0; n < N / 8; ++n)
    for (int e = 0; e < 4; ++e) c[(16 * warp + g + e / 2 * 8) * N + 8 * n + 2 * t + e % 2] = sums[n][e];
#endif
}

template <class T, int N>
void check_products() {
  const auto a = test::attention_numbers<T>(64 * 64, 1), b = test::attention_numbers<T>(N * 64, 2),
             b2 = test::attention_numbers<T>(64 * N, 3);
  const test::There<T, Cuda> a_there(a), b_there(b), b2_there(b2);
  const test::There<float, Cuda> c(std::vector<float>(64 * N));
  test::every_order([&] {
    k::launch(&multiply_tiles<T, N>, dim3(1), dim3(128), (64 + 2 * N) * 128, "test", a_there.data(), b_there.data(),
              b2_there.data(), c.data());
    const auto found = c.back();
    double worst = 0;
    for (std::size_t m = 0; m < 64; ++m)
      for (std::size_t n = 0; n < N; ++n) {
        double sum = 0;
        for (std::size_t x = 0; x < 64; ++x)
          sum += convert<double>(a[m * 64 + x]) * (convert<double>(b[n * 64 + x]) + convert<double>(b2[x * N + n]));
        worst = std::max(worst, std::abs(found[m * N + n] - sum));
      }
    CHECK(worst < 1e-4);
  });
}

}  // namespace

TEMPLATE_TEST_CASE("a warpgroup multiplies tiles of shared memory and registers", "[cuda]", BFloat16, Float16) {
  CLOZE_GPU_OR_SKIP();
  if (!k::sm90_compiled()) return;
  check_products<TestType, 64>();
  check_products<TestType, 128>();
}

TEST_CASE("a box of a tensor arrives in exchanged places, with zeros from beyond the tensor", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  if (!k::sm90_compiled()) return;
  constexpr Index rows = 100, heads = 3, size = 80, stride = 256;
  const auto values = test::attention_numbers<BFloat16>(rows * stride, 1);
  const test::There<BFloat16, Cuda> from(values), to(std::vector<BFloat16>(64 * 64));
  const auto map = k::tensor_map(from.data(), rows, heads, size, stride);
  for (const auto& [column, head, row] : {std::array<int, 3>{0, 0, 0}, {64, 2, 70}, {0, 1, 99}, {64, 1, 3}})
    test::every_order([&] {
      k::launch(&fetch_box<BFloat16>, dim3(1), dim3(128), k::tensor_box_bytes, "test", map, to.data(), column, head,
                row);
      const auto found = to.back();
      for (Index r = 0; r < 64; ++r)
        for (Index c = 0; c < 64; ++c) {
          const bool inside = row + r < rows && column + c < size;
          const BFloat16 wanted =
              inside ? values[static_cast<std::size_t>((row + r) * stride + head * size + column + c)] : BFloat16{};
          if (found[static_cast<std::size_t>(r * 64 + c)].bits != wanted.bits) FAIL(r << ", " << c);
        }
      SUCCEED();
    });
  REQUIRE_ERROR(k::tensor_map(from.data() + 1, rows, heads, size, stride), "cloze.cuda.11");
  REQUIRE_ERROR(k::tensor_map(from.data(), rows, heads, size, stride + 1), "cloze.cuda.11");
}

#ifdef CLOZE_CUDA_EMULATOR

namespace {

enum class Misuse {
  none,
  more_bytes,
  fewer_bytes,
  misaligned,
  wrong_parity,
  not_begun,
  begun_twice,
  too_many,
  unawaited
};

__global__ void misuse(const __grid_constant__ k::TensorMap map, Misuse kind, bool* saw_nothing) {
  __shared__ k::SharedBarrier barrier;
  unsigned char* shared = k::dynamic_shared();
  if (threadIdx.x == 0 && kind != Misuse::not_begun) k::begin_barrier(&barrier, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    if (kind == Misuse::begun_twice) k::begin_barrier(&barrier, 1);
    k::arrive_expecting(&barrier, k::tensor_box_bytes + (kind == Misuse::more_bytes    ? 16
                                                         : kind == Misuse::fewer_bytes ? -16
                                                                                       : 0));
    if (kind == Misuse::too_many) k::arrive(&barrier);
    k::copy_box(map, shared + (kind == Misuse::misaligned ? 128 : 0), &barrier, 0, 0, 0);
  }
  __syncthreads();
  if (kind != Misuse::unawaited) k::await_phase(&barrier, kind == Misuse::wrong_parity ? 1 : 0);
  if (threadIdx.x == 0) *saw_nothing = shared[0] == 0xFF && shared[1] == 0xFF;
}

}  // namespace

TEST_CASE("the emulator notices misuse of barriers and boxes", "[cuda]") {
  const std::vector<BFloat16> values(64 * 64, convert<BFloat16>(1.0f));
  const auto map = k::tensor_map(values.data(), 64, 1, 64, 64);
  const auto before = emulator::behaviour();
  emulator::behaviour().early_boxes = false;
  bool saw_nothing = false;
  const auto run = [&](Misuse kind) {
    k::launch(&misuse, dim3(1), dim3(32), 2 * k::tensor_box_bytes, "test", map, kind, &saw_nothing);
  };
  run(Misuse::none);
  CHECK_FALSE(saw_nothing);
  for (const Misuse kind : {Misuse::more_bytes, Misuse::fewer_bytes, Misuse::misaligned, Misuse::not_begun,
                            Misuse::begun_twice, Misuse::too_many, Misuse::unawaited})
    CHECK_THROWS_AS(run(kind), std::runtime_error);
  // What reads before a box is there finds the NaN that shared memory begins with; and the box is still on its way.
  CHECK_THROWS_AS(run(Misuse::wrong_parity), std::runtime_error);
  CHECK(saw_nothing);
  emulator::behaviour() = before;
}

#endif

#endif
