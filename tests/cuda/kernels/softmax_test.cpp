#include <cloze/kernels/cuda/cross_entropy.cuh>
#include <cloze/kernels/cuda/pointwise_loss.cuh>
#include <cloze/kernels/cuda/softmax.cuh>
#include <cloze/kernels/ref/cross_entropy.hpp>
#include <cloze/kernels/ref/pointwise_loss.hpp>
#include <cloze/kernels/ref/softmax.hpp>

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
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Rows of logits, some of which hold what a softmax may stumble over.
Numbers logits(Index rows, Index columns, int seed) {
  auto x = numbers(rows * columns, seed, 4);
  const auto at = [&](Index r, Index c) -> double& { return x[static_cast<std::size_t>(r * columns + c % columns)]; };
  for (Index r = 0; r < rows && columns > 0; ++r) {
    if (r % 7 == 1) at(r, columns / 2) = -infinite;
    if (r % 7 == 2)
      for (Index c = 0; c < columns; ++c) at(r, c) = -infinite;
    if (r % 7 == 3) at(r, 5) = infinite;
    if (r % 7 == 4) at(r, 1) = nan;
    if (r % 7 == 5)
      for (Index c = 0; c < columns; ++c) at(r, c) = (c == columns - 1 ? 1 : -1) * 1000.0;
  }
  return x;
}

}  // namespace

TEST_CASE("softmax and logsumexp on Cuda are Reference's on any row", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index rows : {0, 1, 3, 16, 17})
    for (const Index columns : {0, 1, 2, 3, 16, 127, 128, 129, 1024, 1025, 3000}) {
      if (columns > 200 && rows > 3) continue;
      INFO(rows << " x " << columns);
      const Index size = rows * columns;
      const auto x = logits(rows, columns, 1), dy = numbers(size, 2), dtotal = numbers(rows, 3);
      for (const bool log : {false, true})
        check_on_cuda<float, double>(
            [&](auto& at) {
              using T = ElementOf<decltype(at)>;
              const DeviceOf<decltype(at)> device;
              T *const y = at.out(size), *const total = at.out(rows), *const there = at.in(x);
              softmax_forward(device, SoftmaxArgs<T>{rows, columns, there, log, y});
              softmax_backward(device, SoftmaxBackwardArgs<T>{rows, columns, y, at.in(dy), log, at.target(size, log)});
              logsumexp_forward(device, LogSumExpArgs<T>{rows, columns, there, total});
              logsumexp_backward(
                  device, LogSumExpBackwardArgs<T>{rows, columns, there, total, at.in(dtotal), at.target(size, log)});
            },
            256);
    }
}

TEST_CASE("a certain outcome keeps its tiny loss on Cuda", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const auto found = test::results_on<Cuda, float>([](auto& at) {
    softmax_forward(Cuda{}, SoftmaxArgs<float>{1, 2, at.in({1000.0, 992.0}), true, at.out(2)});
  });
  CHECK(found[0][0] == Approx(-3.3540637e-4).epsilon(1e-3));
}

TEST_CASE("cross entropy on Cuda is Reference's for labels and for distributions", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index rows : {0, 1, 3, 15})
    for (const Index columns : {1, 2, 5, 16, 129, 1030})
      for (const bool soft : {false, true})
        for (const double smoothing : {0.0, 0.125}) {
          if (columns > 200 && rows > 3) continue;
          INFO(rows << " x " << columns << ", soft " << soft << ", smoothing " << smoothing);
          const Index size = rows * columns;
          const auto x = logits(rows, columns, 4), dy = numbers(rows, 5);
          Numbers targets(static_cast<std::size_t>(size));
          std::vector<Index> labels;
          for (Index r = 0; r < rows; ++r) labels.push_back(r % 5 == 3 ? -100 : (3 * r + 1) % columns);
          for (std::size_t i = 0; i < targets.size(); ++i)
            targets[i] = i % 3 == 0 ? 0.0 : 0.25 * static_cast<double>(i % 4);
          const bool each = rows != 15;
          const auto run = [&](auto& at) {
            using T = ElementOf<decltype(at)>;
            const DeviceOf<decltype(at)> device;
            T *const there = at.in(x), *const shares = soft ? at.in(targets) : nullptr;
            auto* const kept = at.template scratch<CrossEntropyRow<Compute<T>>>(rows);
            cross_entropy_forward(device, CrossEntropyArgs<T>{.rows = rows,
                                                              .columns = columns,
                                                              .logits = there,
                                                              .labels = soft ? nullptr : labels.data(),
                                                              .targets = shares,
                                                              .ignored = -100,
                                                              .smoothing = at.scalar(smoothing),
                                                              .losses = at.out(rows),
                                                              .kept = kept});
            CrossEntropyBackwardArgs<T> back{};
            back.rows = rows;
            back.columns = columns;
            back.logits = there;
            back.labels = soft ? nullptr : labels.data();
            back.targets = shares;
            back.ignored = -100;
            back.smoothing = at.scalar(smoothing);
            back.kept = kept;
            back.dy = at.in(rows == 0 ? Numbers{1.0} : dy);
            back.step = each ? 1 : 0;
            back.scale = at.scalar(0.5);
            back.dlogits = at.target(size, each);
            if (soft) back.dtargets = at.target(size, false);
            cross_entropy_backward(device, back);
            // In the logits' place, as a head over a whole vocabulary does it.
            back.dlogits = {at.changed(x), false};
            back.logits = back.dlogits.data;
            back.dtargets = {};
            cross_entropy_backward(device, back);
          };
          check_on_cuda<float, double>(run, 256);
        }
}

TEST_CASE("pointwise losses on Cuda are Reference's", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const PointwiseLoss kind : {PointwiseLoss::squared, PointwiseLoss::binary, PointwiseLoss::divergence})
    for (const Index rows : {0, 1, 5})
      for (const Index columns : {1, 3, 64, 1030}) {
        INFO("loss " << static_cast<int>(kind) << ", " << rows << " x " << columns);
        const Index size = rows * columns;
        const auto x = numbers(size, 6, 8), dy = numbers(size, 8);
        auto t = numbers(size, 7);
        for (std::size_t i = 0; i < t.size(); ++i) t[i] = i % 3 == 0 ? 0 : std::abs(t[i]);
        for (const bool each : {false, true})
          check_on_cuda<float, double>(
              [&](auto& at) {
                using T = ElementOf<decltype(at)>;
                const DeviceOf<decltype(at)> device;
                pointwise_loss_forward(device, PointwiseLossArgs<T>{kind, rows, columns, at.in(x), at.in(t), each,
                                                                    at.out(each ? size : rows)});
                PointwiseLossBackwardArgs<T> back{};
                back.kind = kind;
                back.size = size;
                back.x = at.in(x);
                back.t = at.in(t);
                back.dy = at.in(size == 0 ? Numbers{1.0} : dy);
                back.step = each ? 1 : 0;
                back.scale = at.scalar(0.25);
                back.dx = at.target(size, each);
                if (each) back.dt = at.target(size, false);
                pointwise_loss_backward(device, back);
              },
              256);
      }
}
