#include <cloze/kernels/cuda/adamw.cuh>
#include <cloze/kernels/cuda/rescale.cuh>
#include <cloze/kernels/cuda/sgd.cuh>
#include <cloze/kernels/ref/adamw.hpp>
#include <cloze/kernels/ref/rescale.hpp>
#include <cloze/kernels/ref/sgd.hpp>

#include "cuda/kernels/devices.hpp"

using namespace cloze;
using namespace cloze::kernels;
using cloze::test::check_on_cuda;
using cloze::test::DeviceOf;
using cloze::test::ElementOf;
using cloze::test::Numbers;
using cloze::test::numbers;

namespace {

template <class T>
AdamWFactors<T> adamw_factors() {
  return {.keep = T(0.9375),
          .one_beta1 = T(0.125),
          .beta2 = T(0.96875),
          .one_beta2 = T(0.03125),
          .step_size = T(0.25),
          .root = T(0.5),
          .eps = T(0.0078125),
          .grad_scale = T(0.75)};
}

template <class T>
SgdFactors<T> sgd_factors(bool nesterov) {
  return {.lr = T(0.25),
          .weight_decay = T(0.0625),
          .momentum = T(0.875),
          .fresh = T(0.75),
          .nesterov = nesterov,
          .grad_scale = T(0.5)};
}

/// Squares: second moments are not negative.
Numbers squares(Index size, int seed) {
  auto x = numbers(size, seed);
  for (double& value : x) value = std::abs(value);
  return x;
}

/// Some rows of a table in any order, and the rows of gradients that reach them.
struct Rows {
  Index table = 9, columns;
  std::vector<Index> rows = {4, 0, 8, 5}, grad_rows = {1, -1, 0, 2};
  Index count() const { return static_cast<Index>(rows.size()); }
};

}  // namespace

TEST_CASE("AdamW and SGD on Cuda are Reference's at any size", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index size : {0, 1, 3, 4, 5, 16, 1023, 1024, 1025}) {
    INFO("size " << size);
    const auto w = numbers(size, 1), g = numbers(size, 2), m = numbers(size, 3), v = squares(size, 4);
    check_on_cuda<float, double>([&](auto& at) {
      using T = ElementOf<decltype(at)>;
      const DeviceOf<decltype(at)> device;
      adamw(device, AdamWArgs<T>{size, at.changed(w), at.in(g), at.changed(m), at.changed(v), adamw_factors<T>()});
      sgd(device, SgdArgs<T>{size, at.changed(w), at.in(g), nullptr, sgd_factors<T>(false)});
      sgd(device, SgdArgs<T>{size, at.changed(w), at.in(g), at.changed(m), sgd_factors<T>(false)});
      sgd(device, SgdArgs<T>{size, at.changed(w), at.in(g), at.changed(m), sgd_factors<T>(true)});
    });
  }
}

TEST_CASE("AdamW and SGD on Cuda update rows as Reference does", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index columns : {1, 3, 16, 130}) {
    INFO("columns " << columns);
    const Rows r{.columns = columns};
    const Index size = r.count() * columns;
    const auto w = numbers(r.table * columns, 1), g = numbers(3 * columns, 2), m = numbers(size, 3),
               v = squares(size, 4);
    check_on_cuda<float, double>([&](auto& at) {
      using T = ElementOf<decltype(at)>;
      const DeviceOf<decltype(at)> device;
      adamw_rows(device, AdamWRowsArgs<T>{r.count(), columns, r.rows.data(), r.grad_rows.data(), at.changed(w),
                                          at.in(g), at.changed(m), at.changed(v), adamw_factors<T>()});
      for (const bool momentum : {false, true})
        sgd_rows(device, SgdRowsArgs<T>{r.count(), columns, r.rows.data(), r.grad_rows.data(), at.changed(w), at.in(g),
                                        momentum ? at.changed(m) : nullptr, sgd_factors<T>(true)});
    });
  }
}

TEST_CASE("an update by rows on Cuda is the dense one to the last bit", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index rows = 5, columns = 26, size = rows * columns;
  const auto w = numbers(size, 1, 1 / 3.0), g = numbers(size, 2, 1 / 7.0), m = numbers(size, 3, 1 / 9.0),
             v = squares(size, 4);
  const std::vector<Index> order = {0, 1, 2, 3, 4};
  const auto dense = test::results_on<Cuda, float>([&](auto& at) {
    adamw(Cuda{},
          AdamWArgs<float>{size, at.changed(w), at.in(g), at.changed(m), at.changed(v), adamw_factors<float>()});
    sgd(Cuda{}, SgdArgs<float>{size, at.changed(w), at.in(g), at.changed(m), sgd_factors<float>(true)});
  });
  const auto by_rows = test::results_on<Cuda, float>([&](auto& at) {
    adamw_rows(Cuda{}, AdamWRowsArgs<float>{rows, columns, order.data(), order.data(), at.changed(w), at.in(g),
                                            at.changed(m), at.changed(v), adamw_factors<float>()});
    sgd_rows(Cuda{}, SgdRowsArgs<float>{rows, columns, order.data(), order.data(), at.changed(w), at.in(g),
                                        at.changed(m), sgd_factors<float>(true)});
  });
  CHECK(test::same_bits(dense, by_rows));
}

TEST_CASE("weights in bf16 follow a copy in full precision on Cuda", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index rows = 5, columns = 40, size = rows * columns;
  // A copy that bf16 cannot hold, and updates far below its resolution.
  const auto master = numbers(size, 1, 1 / 3.0), g = numbers(size, 2), m = numbers(size, 3, 0x1p-12),
             v = squares(size, 4);
  const std::vector<Index> order = {3, 1, 4, 0, 2}, from = {0, -1, 1, 2, -1}, slots = {0, -1, 1, -1, 2};
  const Numbers unused(static_cast<std::size_t>(size), 100.0);
  const auto run = [&](auto& at) {
    using T = ElementOf<decltype(at)>;
    using A = Compute<T>;
    const DeviceOf<decltype(at)> device;
    // In full precision the copy is the weight itself.
    const auto pair = [&](const Numbers& values) {
      constexpr bool low = sizeof(T) == 2;
      A* const copy = at.template changed<A>(values);
      if constexpr (low)
        return std::pair{at.in(unused), copy};
      else
        return std::pair{copy, static_cast<A*>(nullptr)};
    };
    const auto [w1, c1] = pair(master);
    adamw(device, AdamWArgs<T>{size, w1, at.in(g), at.template changed<A>(m), at.template changed<A>(v),
                               adamw_factors<A>(), c1});
    const auto [w2, c2] = pair(master);
    adamw_rows(device, AdamWRowsArgs<T>{rows, columns, order.data(), from.data(), w2, at.in(g),
                                        at.template changed<A>(m), at.template changed<A>(v), adamw_factors<A>(), c2});
    const auto [w3, c3] = pair(master);
    sgd(device, SgdArgs<T>{size, w3, at.in(g), at.template changed<A>(m), sgd_factors<A>(true), c3});
    const auto [w4, c4] = pair(master);
    sgd_rows(device, SgdRowsArgs<T>{rows, columns, order.data(), from.data(), w4, at.in(g), nullptr,
                                    sgd_factors<A>(false), c4});
    const auto [w5, c5] = pair(master);
    rescale_rows(device, RescaleRowsArgs<T>{rows, columns, slots.data(), w5, at.scalar(0.998046875), c5});
    if constexpr (sizeof(T) == 2)
      for (T* const weight : {w1, w2, w3, w4}) at.also(weight, size);
  };
  const auto wanted = test::results_on<Reference, float>(run);
  auto found = test::results_on<Cuda, BFloat16>(run);
  REQUIRE(found.size() == wanted.size() + 4);
  const std::vector<Numbers> weights(found.end() - 4, found.end());
  found.resize(wanted.size());
  CHECK(test::largest_error(found, wanted) <= 1e-6);
  const std::size_t copies[] = {0, 3, 6, 8};  // among the results
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < weights[i].size(); ++j)
      CHECK(weights[i][j] == convert<double>(convert<BFloat16>(found[copies[i]][j])));
}

TEST_CASE("updates on Cuda take their scale from the GPU, or nothing where it is not finite", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Rows r{.columns = 20};
  const Index size = r.count() * r.columns, table = r.table * r.columns;
  const auto w = numbers(table, 1), g = numbers(size, 2), m = numbers(size, 3), v = squares(size, 4);
  const std::vector<Index> slots = {0, -1, 1, -1, 2, -1, -1, -1, -1};
  for (const double scale : {0.5, std::nan(""), HUGE_VAL}) {
    INFO("scale " << scale);
    check_on_cuda<float, double>([&](auto& at) {
      using T = ElementOf<decltype(at)>;
      const DeviceOf<decltype(at)> device;
      const T* there = at.in({scale});
      adamw(device, AdamWArgs<T>{size, at.changed(w), at.in(g), at.changed(m), at.changed(v), adamw_factors<T>(),
                                 nullptr, there});
      sgd(device, SgdArgs<T>{size, at.changed(w), at.in(g), at.changed(m), sgd_factors<T>(true), nullptr, there});
      adamw_rows(device, AdamWRowsArgs<T>{r.count(), r.columns, r.rows.data(), r.grad_rows.data(), at.changed(w),
                                          at.in(g), at.changed(m), at.changed(v), adamw_factors<T>(), nullptr, there});
      sgd_rows(device, SgdRowsArgs<T>{r.count(), r.columns, r.rows.data(), r.grad_rows.data(), at.changed(w), at.in(g),
                                      at.changed(m), sgd_factors<T>(true), nullptr, there});
      rescale_rows(
          device, RescaleRowsArgs<T>{r.table, r.columns, slots.data(), at.changed(w), at.scalar(0.75), nullptr, there});
    });
  }
}

TEST_CASE("the factor of clipping on Cuda is the host's to the last bit", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index count : {0, 1, 2, 255, 256, 257, 700})
    for (const double first : {1.0, 1e30, HUGE_VAL, std::nan("")}) {
      INFO(count << " sums, the first " << first);
      auto sums = squares(count, 5);
      if (count > 0) sums[0] = first;
      for (double& sum : sums) sum /= 3;
      const auto run = [&](auto& at) {
        using T = ElementOf<decltype(at)>;
        const DeviceOf<decltype(at)> device;
        clip_factor(device, ClipFactorArgs<T>{count, at.template in<double>(sums), 1.5, at.template out<double>(1),
                                              at.template changed<double>({2}), at.wide_out(1)});
      };
      CHECK(test::same_bits(test::results_on<Cuda, float>(run), test::results_on<Reference, float>(run)));
      CHECK(test::same_bits(test::results_on<Cuda, double>(run), test::results_on<Reference, double>(run)));
    }
}
