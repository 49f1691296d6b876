#include <cloze/kernels/cuda/embedding_norm.cuh>
#include <cloze/kernels/cuda/layer_norm.cuh>
#include <cloze/kernels/ref/embedding_norm.hpp>
#include <cloze/kernels/ref/layer_norm.hpp>

#include "cuda/kernels/devices.hpp"

using namespace cloze;
using namespace cloze::kernels;
using cloze::test::check_on_cuda;
using cloze::test::DeviceOf;
using cloze::test::ElementOf;
using cloze::test::Numbers;
using cloze::test::numbers;

namespace {

struct NormCase {
  Index rows, columns;
  bool residual, weights;
  double p;
  bool by_id;
};

/// One warp, whole and ragged, several warps, and rows too long to hold.
std::vector<NormCase> norm_cases() {
  std::vector<NormCase> cases;
  for (const Index rows : {0, 1, 3, 9})
    for (const Index columns : {1, 2, 16, 63, 256, 260, 512, 768})
      cases.push_back({rows, columns, columns % 3 == 0, rows != 1, columns > 16 ? 0.25 : 0.0, rows == 3});
  cases.push_back({70, 20, true, true, 0.1, false});
  cases.push_back({3, 4096, true, true, 0.1, true});
  cases.push_back({5, 4100, true, true, 0.1, true});
  cases.push_back({2, 4400, false, false, 0, false});
  return cases;
}

std::vector<Index> some_ids(Index rows) {
  std::vector<Index> ids;
  for (Index r = 0; r < rows; ++r) ids.push_back(3 * r + (Index{1} << 32) * (r % 2));
  return ids;
}

}  // namespace

TEST_CASE("LayerNorm with residual and dropout on Cuda is Reference's", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const NormCase& c : norm_cases()) {
    const Index size = c.rows * c.columns;
    INFO(c.rows << " x " << c.columns << ", residual " << c.residual << ", weights " << c.weights << ", p " << c.p);
    const auto x = numbers(size, 1), residual = numbers(size, 2), gamma = numbers(c.columns, 3),
               beta = numbers(c.columns, 4);
    const auto ids = some_ids(c.rows);
    const bool sums = c.residual || c.p > 0;
    for (const bool kept : {false, true})  // with mean, rstd and a z of its own for the backward pass
      check_on_cuda<float, double>([&](auto& at) {
        using T = ElementOf<decltype(at)>;
        T* const y = at.out(size);
        layer_norm_forward(DeviceOf<decltype(at)>(),
                           LayerNormArgs<T>{.rows = c.rows,
                                            .columns = c.columns,
                                            .x = at.in(x),
                                            .residual = c.residual ? at.in(residual) : nullptr,
                                            .gamma = c.weights ? at.in(gamma) : nullptr,
                                            .beta = c.weights ? at.in(beta) : nullptr,
                                            .eps = at.scalar(1e-5),
                                            .dropout = dropout_rule({.p = c.p, .key = 42}),
                                            .row_ids = c.by_id ? ids.data() : nullptr,
                                            .z = !sums  ? nullptr
                                                 : kept ? at.out(size)
                                                        : y,
                                            .y = y,
                                            .mean = kept ? at.wide_out(c.rows) : nullptr,
                                            .rstd = kept ? at.wide_out(c.rows) : nullptr});
      });
  }
}

TEST_CASE("LayerNorm on Cuda keeps its digits on rows far from zero", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index rows = 2, columns = 300;
  auto x = numbers(rows * columns, 5, 0x1p-4);
  for (double& value : x) value += 2048;
  check_on_cuda<float>(
      [&](auto& at) {
        using T = ElementOf<decltype(at)>;
        layer_norm_forward(DeviceOf<decltype(at)>(), LayerNormArgs<T>{.rows = rows,
                                                                      .columns = columns,
                                                                      .x = at.in(x),
                                                                      .residual = nullptr,
                                                                      .gamma = nullptr,
                                                                      .beta = nullptr,
                                                                      .eps = at.scalar(1e-5),
                                                                      .dropout = {},
                                                                      .row_ids = nullptr,
                                                                      .z = nullptr,
                                                                      .y = at.out(rows * columns),
                                                                      .mean = nullptr,
                                                                      .rstd = nullptr});
      },
      8192);  // the mean's own rounding, over the deviation
}

TEST_CASE("LayerNorm in bf16 on Cuda rounds its result and its sum, nothing between", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index rows = 5, columns = 768, size = rows * columns;
  const auto x = numbers(size, 1), residual = numbers(size, 2), gamma = numbers(columns, 3), beta = numbers(columns, 4);
  check_on_cuda<BFloat16, Float16>(
      [&](auto& at) {
        using T = ElementOf<decltype(at)>;
        layer_norm_forward(DeviceOf<decltype(at)>(), LayerNormArgs<T>{.rows = rows,
                                                                      .columns = columns,
                                                                      .x = at.in(x),
                                                                      .residual = at.in(residual),
                                                                      .gamma = at.in(gamma),
                                                                      .beta = at.in(beta),
                                                                      .eps = at.scalar(0),
                                                                      .dropout = {},
                                                                      .row_ids = nullptr,
                                                                      .z = at.out(size),
                                                                      .y = at.out(size),
                                                                      .mean = at.wide_out(rows),
                                                                      .rstd = at.wide_out(rows)});
      },
      4);
}

TEST_CASE("LayerNorm's gradients on Cuda are Reference's", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const NormCase& c : norm_cases()) {
    const Index size = c.rows * c.columns;
    INFO(c.rows << " x " << c.columns << ", residual " << c.residual << ", weights " << c.weights << ", p " << c.p);
    const auto z = numbers(size, 6), dy = numbers(size, 7), gamma = numbers(c.columns, 8), mean = numbers(c.rows, 9);
    const auto rstd = Numbers(static_cast<std::size_t>(c.rows), 0.4375);
    const auto ids = some_ids(c.rows);
    for (const bool add : {false, true})
      check_on_cuda<float, double>(
          [&](auto& at) {
            using T = ElementOf<decltype(at)>;
            LayerNormBackwardArgs<T> args{};
            args.rows = c.rows;
            args.columns = c.columns;
            args.z = at.in(z);
            args.mean = at.wide_in(mean);
            args.rstd = at.wide_in(rstd);
            args.gamma = c.weights ? at.in(gamma) : nullptr;
            args.dy = at.in(dy);
            args.dropout = dropout_rule({.p = c.p, .key = 43});
            args.row_ids = c.by_id ? ids.data() : nullptr;
            args.dx = at.target(size, add);
            if (c.residual) args.dresidual = at.target(size, add);
            if (c.weights) {
              args.dgamma = at.target(c.columns, add);
              args.dbeta = at.target(c.columns, add);
            }
            layer_norm_backward(DeviceOf<decltype(at)>(), args);
          },
          256);
  }
}

TEST_CASE("LayerNorm's backward pass on Cuda takes the targets it is given", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index rows = 7, columns = 260, size = rows * columns;
  const auto z = numbers(size, 6), dy = numbers(size, 7), ones = Numbers(static_cast<std::size_t>(rows), 1.0);
  for (const int wanted : {0, 1, 2, 3, 4}) {
    INFO("wanted " << wanted);
    check_on_cuda<float>(
        [&](auto& at) {
          using T = ElementOf<decltype(at)>;
          LayerNormBackwardArgs<T> args{};
          args.rows = rows;
          args.columns = columns;
          args.z = at.in(z);
          args.mean = args.rstd = at.wide_in(ones);
          args.dy = at.in(dy);
          args.dropout = dropout_rule({.p = 0.5, .key = 44});
          if (wanted == 0) args.dx = at.target(size, false);
          if (wanted == 1) args.dresidual = at.target(size, false);
          if (wanted == 2) args.dgamma = at.target(columns, false);
          if (wanted == 3) args.dbeta = at.target(columns, true);
          if (wanted == 4) {  // x is its own residual
            args.dx = at.target(size, false);
            args.dresidual = {args.dx.data, true};
          }
          layer_norm_backward(DeviceOf<decltype(at)>(), args);
        },
        256);
  }
}

TEST_CASE("embeddings looked up, summed and normalised on Cuda are Reference's", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index rows : {0, 1, 3, 10})
    for (const Index columns : {1, 16, 63, 260, 768, 4100})
      for (const int count : {1, 2, 3}) {
        if (columns > 1000 && rows != 3) continue;
        INFO(rows << " x " << columns << ", tables " << count);
        const Index entries = 11, size = rows * columns;
        const auto gamma = numbers(columns, 3), beta = numbers(columns, 4);
        std::vector<std::vector<Index>> ids(3);
        for (Index t = 0; t < 3; ++t)
          for (Index r = 0; r < rows; ++r) ids[static_cast<std::size_t>(t)].push_back((r * (t + 2) + t) % entries);
        for (const bool kept : {false, true})
          check_on_cuda<float, double>(
              [&](auto& at) {
                using T = ElementOf<decltype(at)>;
                EmbeddingNormArgs<T> args{};
                args.rows = rows;
                args.columns = columns;
                for (int t = 0; t < count; ++t)
                  args.tables[t] = {at.in(numbers(entries * columns, 10 + t)), ids[static_cast<std::size_t>(t)].data()};
                args.count = count;
                args.gamma = at.in(gamma);
                args.beta = at.in(beta);
                args.eps = at.scalar(1e-5);
                args.dropout = dropout_rule({.p = kept ? 0.2 : 0.0, .key = 45});
                args.y = at.out(size);
                args.z = kept ? at.out(size) : args.y;
                args.mean = kept ? at.wide_out(rows) : nullptr;
                args.rstd = kept ? at.wide_out(rows) : nullptr;
                embedding_norm_forward(DeviceOf<decltype(at)>(), args);
              },
              64);
      }
}
