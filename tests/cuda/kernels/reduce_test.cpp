#include <cloze/kernels/cuda/column_reduce.cuh>
#include <cloze/kernels/cuda/reduce.cuh>
#include <cloze/kernels/cuda/rescale.cuh>
#include <cloze/kernels/ref/column_reduce.hpp>
#include <cloze/kernels/ref/reduce.hpp>
#include <cloze/kernels/ref/rescale.hpp>

#include "cuda/kernels/devices.hpp"

using namespace cloze;
using namespace cloze::kernels;
using cloze::test::check_on_cuda;
using cloze::test::DeviceOf;
using cloze::test::ElementOf;
using cloze::test::Numbers;
using cloze::test::numbers;

namespace {
constexpr double infinite = std::numeric_limits<double>::infinity();
}

TEST_CASE("sums of everything on Cuda are Reference's at any size", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index size : {0, 1, 3, 16, 4095, 4096, 4097, 100003}) {
    INFO("size " << size);
    const auto x = numbers(size, 1, 0x1p-6);
    check_on_cuda<float, double, BFloat16>(
        [&](auto& at) {
          using T = ElementOf<decltype(at)>;
          const DeviceOf<decltype(at)> device;
          sum_all(device, SumArgs<T>{size, at.in(x), at.scalar(0.5), at.out(1)});
          square_sum(device, SquareSumArgs<T>{size, at.in(x), at.template out<double>(1)});
        },
        64);
  }
}

TEST_CASE("the squares of large gradients do not overflow on Cuda", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const auto found = test::results_on<Cuda, float>([](auto& at) {
    square_sum(Cuda{}, SquareSumArgs<float>{2, at.in({1e30, -1e30}), at.template out<double>(1)});
  });
  CHECK(found[0][0] == Approx(2e60));
}

TEST_CASE("sums of rows and of segments on Cuda, and their way back, are Reference's", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index columns : {1, 3, 16, 130, 1030}) {
    const std::vector<Index> bounds = {0, 1, 1, 4, 20};  // with an empty one
    const Index rows = bounds.back(), segments = static_cast<Index>(bounds.size()) - 1;
    INFO(rows << " x " << columns);
    const auto x = numbers(rows * columns, 1), dy = numbers(rows, 2), dsums = numbers(segments * columns, 3);
    for (const bool mean : {false, true})
      check_on_cuda<float, double, BFloat16>(
          [&](auto& at) {
            using T = ElementOf<decltype(at)>;
            const DeviceOf<decltype(at)> device;
            row_sum(device, RowSumArgs<T>{rows, columns, at.in(x), at.out(rows)});
            spread(device, SpreadArgs<T>{rows, columns, at.in(dy), mean ? 1 : 0, at.scalar(0.5),
                                         at.target(rows * columns, mean)});
            segment_sum(device, SegmentSumArgs<T>{segments, columns, bounds.data(), at.in(x), mean,
                                                  at.out(segments * columns)});
            segment_spread(device, SegmentSpreadArgs<T>{segments, columns, bounds.data(), at.in(dsums), mean,
                                                        at.target(rows * columns, !mean)});
          },
          64);
  }
  check_on_cuda<float>([&](auto& at) {  // nothing at all
    using T = ElementOf<decltype(at)>;
    const DeviceOf<decltype(at)> device;
    const Index none[] = {0};
    row_sum(device, RowSumArgs<T>{0, 3, nullptr, nullptr});
    row_sum(device, RowSumArgs<T>{3, 0, nullptr, at.out(3)});
    segment_sum(device, SegmentSumArgs<T>{0, 3, none, nullptr, false, nullptr});
    segment_spread(device, SegmentSpreadArgs<T>{0, 3, none, nullptr, false, {}});
  });
}

TEST_CASE("groups of columns on Cuda, with their gradients, are Reference's", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const ColumnReduce kind : {ColumnReduce::sum, ColumnReduce::mean, ColumnReduce::max, ColumnReduce::logsumexp})
    for (const Index rows : {0, 1, 3, 70})
      for (const std::vector<Index>& bounds :
           {std::vector<Index>{0, 1}, {0, 1, 3}, {0, 5, 6, 70}, {0, 33, 130}, {0, 1, 2, 3, 4, 5, 6}})
        for (const bool weighted : {false, true}) {
          const Index groups = static_cast<Index>(bounds.size()) - 1, columns = bounds.back();
          INFO("kind " << static_cast<int>(kind) << ", " << rows << " x " << columns << ", weighted " << weighted);
          auto x = numbers(rows * columns, 1), weights = numbers(columns, 2);
          for (double& w : weights) w = w < -2 ? 0 : std::abs(w) + 0.25;
          if (rows == 3 && kind != ColumnReduce::mean && kind != ColumnReduce::sum) {
            for (Index c = 0; c < columns; ++c) x[static_cast<std::size_t>(columns + c)] = -infinite;
            for (std::size_t c = 1; c < static_cast<std::size_t>(columns); ++c) x[c] = x[0];  // ties
          }
          weights[0] = 0.5;  // a mean needs some weight
          weights.back() = 1;
          const auto dy = numbers(rows * groups, 3);
          for (const bool add : {false, true})
            check_on_cuda<float, double>(
                [&](auto& at) {
                  using T = ElementOf<decltype(at)>;
                  const DeviceOf<decltype(at)> device;
                  T *const there = at.in(x), *const w = weighted ? at.in(weights) : nullptr,
                           *const y = at.out(rows * groups);
                  column_reduce_forward(device,
                                        ColumnReduceArgs<T>{rows, groups, columns, bounds.data(), kind, there, w, y});
                  ColumnReduceBackwardArgs<T> back{};
                  back.rows = rows;
                  back.groups = groups;
                  back.columns = columns;
                  back.bounds = bounds.data();
                  back.kind = kind;
                  back.x = there;
                  back.weights = w;
                  back.y = y;
                  back.dy = at.in(dy);
                  back.dx = at.target(rows * columns, add);
                  if (weighted) back.dweights = at.target(columns, add);
                  column_reduce_backward(device, back);
                },
                256);
        }
}

TEST_CASE("tensors and some of their rows are rescaled on Cuda as on Reference", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index rows : {1, 3, 64, 65, 130})
    for (const Index columns : {1, 4, 33}) {
      const auto x = numbers(rows * columns, 1);
      std::vector<Index> slots;
      for (Index r = 0; r < rows; ++r) slots.push_back(r % 3 == 0 ? -1 : r);
      check_on_cuda<float, double, BFloat16>([&](auto& at) {
        using T = ElementOf<decltype(at)>;
        const DeviceOf<decltype(at)> device;
        rescale(device, RescaleArgs<T>{rows * columns, at.changed(x), at.scalar(0.75)});
        rescale_rows(device, RescaleRowsArgs<T>{rows, columns, slots.data(), at.changed(x), at.scalar(0.75)});
      });
    }
}
