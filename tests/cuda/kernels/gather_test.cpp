#include <cloze/kernels/cuda/gather.cuh>
#include <cloze/kernels/cuda/matrix_copy.cuh>
#include <cloze/kernels/ref/gather.hpp>
#include <cloze/kernels/ref/matrix_copy.hpp>

#include "cuda/kernels/devices.hpp"

using namespace cloze;
using namespace cloze::kernels;
using cloze::test::check_on_cuda;
using cloze::test::DeviceOf;
using cloze::test::ElementOf;
using cloze::test::Numbers;
using cloze::test::numbers;

namespace {

/// `count` rows of a table: all the same, all different, or as words repeat.
std::vector<Index> some_ids(Index count, Index table, int kind) {
  std::vector<Index> ids;
  for (Index i = 0; i < count; ++i)
    ids.push_back(kind == 0 ? table - 1 : kind == 1 ? i % table : (i * i * 7 + i / 3) % table);
  return ids;
}

}  // namespace

TEST_CASE("rows by index on Cuda are Reference's, and so is the way back", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index count : {0, 1, 3, 31, 32, 33, 64, 65, 300})
    for (const Index columns : {1, 3, 16, 130})
      for (const int kind : {0, 1, 2}) {
        INFO(count << " rows of " << columns << ", kind " << kind);
        const Index table = 37;
        const auto ids = some_ids(count, table, kind);
        const auto values = numbers(table * columns, 1), dy = numbers(count * columns, 2);
        check_on_cuda<float, double>([&](auto& at) {
          using T = ElementOf<decltype(at)>;
          const DeviceOf<decltype(at)> device;
          gather_forward(device, GatherArgs<T>{count, columns, at.in(values), ids.data(), at.out(count * columns)});
          gather_backward(device, GatherBackwardArgs<T>{count, columns, ids.data(), at.in(dy), at.changed(values)});
        });
      }
}

TEST_CASE("a row's gradient from up to 32 others is Reference's to the last bit", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index count = 200, columns = 24, table = 11;
  const auto ids = some_ids(count, table, 1);
  const auto values = numbers(table * columns, 1, 1 / 3.0), dy = numbers(count * columns, 2, 1 / 7.0);
  const auto run = [&](auto& at) {
    gather_backward(DeviceOf<decltype(at)>(),
                    GatherBackwardArgs<float>{count, columns, ids.data(), at.in(dy), at.changed(values)});
  };
  CHECK(test::same_bits(test::results_on<Cuda, float>(run), test::results_on<Reference, float>(run)));
}

TEST_CASE("gradients in bf16 of a row that occurs often are summed in float on Cuda", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index count = 3000, columns = 5;
  const auto ids = some_ids(count, 1, 0);
  const auto dy = Numbers(static_cast<std::size_t>(count * columns), 1.0);
  check_on_cuda<BFloat16, float>(
      [&](auto& at) {
        using T = ElementOf<decltype(at)>;
        gather_backward(DeviceOf<decltype(at)>(), GatherBackwardArgs<T>{count, columns, ids.data(), at.in(dy),
                                                                        at.changed(Numbers(columns, 0.0))});
      },
      1);
}

TEST_CASE("matrices are copied and transposed on Cuda as on Reference", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index rows : {0, 1, 3, 16, 31, 32, 33, 70})
    for (const Index columns : {0, 1, 3, 16, 31, 32, 33, 100})
      for (const bool add : {false, true}) {
        INFO(rows << " x " << columns << ", add " << add);
        const Index ld = columns + 4, ld_odd = columns + 3;
        const auto from = numbers(rows * ld, 1), before = numbers(rows * ld, 2), odd = numbers(rows * ld_odd, 3);
        check_on_cuda<float, double, BFloat16>([&](auto& at) {
          using T = ElementOf<decltype(at)>;
          const DeviceOf<decltype(at)> device;
          matrix_copy(device, MatrixCopyArgs<T>{rows, columns, at.in(from), ld, at.changed(before), ld, add});
          matrix_copy(device, MatrixCopyArgs<T>{rows, columns, at.in(from), ld, at.changed(odd), ld_odd, add});
          transpose(device, TransposeArgs<T>{rows, columns, at.in(from), at.changed(before), add});
        });
      }
}
