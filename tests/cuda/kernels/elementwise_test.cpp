#include <cloze/kernels/cuda/bias_activation.cuh>
#include <cloze/kernels/cuda/dropout.cuh>
#include <cloze/kernels/cuda/elementwise.cuh>
#include <cloze/kernels/ref/bias_activation.hpp>
#include <cloze/kernels/ref/dropout.hpp>
#include <cloze/kernels/ref/elementwise.hpp>

#include "cuda/kernels/devices.hpp"

using namespace cloze;
using namespace cloze::kernels;
using cloze::test::check_on_cuda;
using cloze::test::DeviceOf;
using cloze::test::ElementOf;
using cloze::test::numbers;

namespace {

constexpr Activation activations[] = {Activation::none, Activation::gelu, Activation::gelu_tanh,
                                      Activation::relu, Activation::silu, Activation::tanh};

}  // namespace

TEST_CASE("sums and products of tensors on Cuda are Reference's", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index size : {0, 1, 3, 4, 5, 16, 1023, 1024, 1025, 5000})
    for (const bool add : {false, true}) {
      INFO("size " << size << ", add " << add);
      const auto x = numbers(size, 1), z = numbers(size, 2);
      check_on_cuda<float, double, BFloat16, Float16>([&](auto& at) {
        using T = ElementOf<decltype(at)>;
        const DeviceOf<decltype(at)> device;
        combine(device, CombineArgs<T>{.size = size,
                                       .a = at.scalar(0.5),
                                       .x = at.in(x),
                                       .b = at.scalar(-2),
                                       .z = at.in(z),
                                       .shift = at.scalar(0.25),
                                       .y = at.target(size, add)});
        combine(device, CombineArgs<T>{.size = size,
                                       .a = at.scalar(3),
                                       .x = at.in(x),
                                       .b = at.scalar(0),
                                       .z = nullptr,
                                       .shift = at.scalar(0),
                                       .y = at.target(size, add)});
        multiply(device, MultiplyArgs<T>{.size = size, .x = at.in(x), .z = at.in(z), .y = at.target(size, add)});
      });
    }
}

TEST_CASE("activations on Cuda are Reference's, forward and backward", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Activation kind : activations)
    for (const Index size : {1, 7, 1030})
      for (const bool add : {false, true}) {
        INFO("activation " << static_cast<int>(kind) << ", size " << size << ", add " << add);
        auto x = numbers(size, 3, 4);
        if (size > 4) x[2] = std::numeric_limits<double>::quiet_NaN();
        const auto dy = numbers(size, 4);
        check_on_cuda<float, double, BFloat16>(
            [&](auto& at) {
              using T = ElementOf<decltype(at)>;
              const DeviceOf<decltype(at)> device;
              activate_forward(device,
                               ActivateArgs<T>{.size = size, .x = at.in(x), .activation = kind, .y = at.out(size)});
              activate_backward(
                  device,
                  ActivateBackwardArgs<T>{
                      .size = size, .x = at.in(x), .dy = at.in(dy), .activation = kind, .dx = at.target(size, add)});
            },
            32);
      }
}

TEST_CASE("bias and activation on Cuda are Reference's, in place too", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index rows : {0, 1, 3, 65})
    for (const Index columns : {1, 16, 37, 260})
      for (const Activation kind : {Activation::none, Activation::gelu})
        for (const bool biased : {false, true}) {
          INFO(rows << " x " << columns << ", activation " << static_cast<int>(kind) << ", bias " << biased);
          const auto x = numbers(rows * columns, 5), bias = numbers(columns, 6);
          check_on_cuda<float, double, BFloat16>([&](auto& at) {
            using T = ElementOf<decltype(at)>;
            T* const sums = at.changed(x);
            const bool in_place = kind == Activation::none;
            bias_activation_forward(DeviceOf<decltype(at)>(),
                                    BiasActivationArgs<T>{.rows = rows,
                                                          .columns = columns,
                                                          .x = sums,
                                                          .bias = biased ? at.in(bias) : nullptr,
                                                          .activation = kind,
                                                          .y = in_place ? sums : at.out(rows * columns)});
          });
        }
}

TEST_CASE("the bias's gradient on Cuda is Reference's for any number of rows", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index rows : {0, 1, 3, 63, 64, 65, 200})
    for (const Index columns : {1, 5, 132, 260})
      for (const Activation kind : {Activation::none, Activation::gelu})
        for (const int wanted : {0, 1, 2}) {  // no bias, a fresh one, one to add to
          INFO(rows << " x " << columns << ", activation " << static_cast<int>(kind) << ", bias " << wanted);
          const auto x = numbers(rows * columns, 7), dy = numbers(rows * columns, 8);
          const bool active = kind != Activation::none;
          check_on_cuda<float, double>(
              [&](auto& at) {
                using T = ElementOf<decltype(at)>;
                bias_activation_backward(
                    DeviceOf<decltype(at)>(),
                    BiasActivationBackwardArgs<T>{.rows = rows,
                                                  .columns = columns,
                                                  .x = active ? at.in(x) : nullptr,
                                                  .dy = at.in(dy),
                                                  .activation = kind,
                                                  .dx = active ? at.out(rows * columns) : nullptr,
                                                  .dbias = wanted ? at.target(columns, wanted == 2) : GradTarget<T>{}});
              },
              64);
        }
}

TEST_CASE("a bias's gradient over many rows on Cuda is as exact as the type allows", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index rows = 20000, columns = 8;
  const auto dy = numbers(rows * columns, 9);
  check_on_cuda<float, BFloat16>(
      [&](auto& at) {
        using T = ElementOf<decltype(at)>;
        bias_activation_backward(DeviceOf<decltype(at)>(),
                                 BiasActivationBackwardArgs<T>{.rows = rows,
                                                               .columns = columns,
                                                               .x = nullptr,
                                                               .dy = at.in(dy),
                                                               .activation = Activation::none,
                                                               .dx = nullptr,
                                                               .dbias = at.target(columns, false)});
      },
      4);
}

TEST_CASE("dropout on Cuda keeps exactly what Reference keeps", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index rows : {0, 1, 3, 17})
    for (const Index columns : {1, 3, 16, 127, 128, 129, 255, 256, 257, 520, 768})
      for (const bool by_id : {false, true}) {
        INFO(rows << " x " << columns << ", row ids " << by_id);
        const DropoutRule rule = dropout_rule({.p = 0.3, .key = 0x123456789ABCDEFull});
        std::vector<Index> ids;
        for (Index r = 0; r < rows; ++r) ids.push_back((Index{1} << 33) * (r % 2) + 5 * r + 2);
        const std::vector<double> ones(static_cast<std::size_t>(rows * columns), 1.0);
        for (const bool add : {false, true})
          check_on_cuda<float, double, BFloat16, Float16>(
              [&](auto& at) {
                using T = ElementOf<decltype(at)>;
                dropout(DeviceOf<decltype(at)>(), DropoutArgs<T>{.rows = rows,
                                                                 .columns = columns,
                                                                 .x = at.in(ones),
                                                                 .dropout = rule,
                                                                 .row_ids = by_id ? ids.data() : nullptr,
                                                                 .y = at.target(rows * columns, add)});
              },
              1);
      }
}
