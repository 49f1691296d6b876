// The kernels that move more than they compute, GB/s: bytes that must be read and written once, at the shapes of a
// RoBERTa-base step on 240 tokens, and a copy of memory for comparison.
#include <cstring>
#include <vector>

#include <benchmark/benchmark.h>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/adamw.hpp>
#include <cloze/kernels/bias_activation.hpp>
#include <cloze/kernels/cross_entropy.hpp>
#include <cloze/kernels/dropout.hpp>
#include <cloze/kernels/gather.hpp>
#include <cloze/kernels/layer_norm.hpp>
#include <cloze/kernels/softmax.hpp>

namespace {

using cloze::Cpu;
using cloze::Index;
using namespace cloze::kernels;

constexpr Index tokens = 240, hidden = 768, intermediate = 3072, vocabulary = 50265;

std::vector<float> numbers(Index size) {
  std::vector<float> x(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 101) * 0.02f - 1;
  return x;
}

/// `floats` are the numbers that one call must read and write.
void rate(benchmark::State& state, Index floats) {
  const double bytes = static_cast<double>(sizeof(float)) * static_cast<double>(floats);
  state.counters["GB/s"] = benchmark::Counter(1e-9 * bytes, benchmark::Counter::kIsIterationInvariantRate);
}

void copy(benchmark::State& state) {
  const Index size = Index{32} << 20;
  const auto from = numbers(size);
  std::vector<float> to(from.size());
  for (auto _ : state)
    cloze::parallel_for(size, 1 << 18, [&](Index begin, Index end) {
      std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin) * sizeof(float));
    });
  rate(state, 2 * size);
}
BENCHMARK(copy)->UseRealTime();

struct Norm {
  std::vector<float> x = numbers(tokens * hidden), residual = x, gamma = numbers(hidden), beta = gamma, z = x, y = x,
                     mean = numbers(tokens), rstd = mean, dx = x, dresidual = x, dgamma = gamma, dbeta = gamma;
  LayerNormArgs<float> forward{.rows = tokens,
                               .columns = hidden,
                               .x = x.data(),
                               .residual = residual.data(),
                               .gamma = gamma.data(),
                               .beta = beta.data(),
                               .eps = 1e-5f,
                               .dropout = cloze::dropout_rule({0.1, 1}),
                               .row_ids = nullptr,
                               .z = z.data(),
                               .y = y.data(),
                               .mean = mean.data(),
                               .rstd = rstd.data()};
};

void residual_dropout_layer_norm(benchmark::State& state) {
  Norm norm;
  for (auto _ : state) layer_norm_forward(Cpu{}, norm.forward);
  rate(state, 4 * tokens * hidden);
}
BENCHMARK(residual_dropout_layer_norm)->UseRealTime();

void residual_dropout_layer_norm_backward(benchmark::State& state) {
  Norm norm;
  layer_norm_forward(Cpu{}, norm.forward);
  const LayerNormBackwardArgs<float> args{.rows = tokens,
                                          .columns = hidden,
                                          .z = norm.z.data(),
                                          .mean = norm.mean.data(),
                                          .rstd = norm.rstd.data(),
                                          .gamma = norm.gamma.data(),
                                          .dy = norm.y.data(),
                                          .dropout = norm.forward.dropout,
                                          .row_ids = nullptr,
                                          .dx = {norm.dx.data(), false},
                                          .dresidual = {norm.dresidual.data(), false},
                                          .dgamma = {norm.dgamma.data(), false},
                                          .dbeta = {norm.dbeta.data(), false}};
  for (auto _ : state) layer_norm_backward(Cpu{}, args);
  rate(state, 4 * tokens * hidden);
}
BENCHMARK(residual_dropout_layer_norm_backward)->UseRealTime();

void bias_gelu(benchmark::State& state) {
  auto x = numbers(tokens * intermediate), y = x;
  const std::vector<float> bias(static_cast<std::size_t>(intermediate));  // zeros: x stays what it is
  for (auto _ : state)
    bias_activation_forward(Cpu{}, BiasActivationArgs<float>{.rows = tokens,
                                                             .columns = intermediate,
                                                             .x = x.data(),
                                                             .bias = bias.data(),
                                                             .activation = cloze::Activation::gelu,
                                                             .y = y.data()});
  rate(state, 3 * tokens * intermediate);
}
BENCHMARK(bias_gelu)->UseRealTime();

void bias_gelu_backward(benchmark::State& state) {
  const auto x = numbers(tokens * intermediate), dy = x;
  auto dx = x, dbias = numbers(intermediate);
  for (auto _ : state)
    bias_activation_backward(Cpu{}, BiasActivationBackwardArgs<float>{.rows = tokens,
                                                                      .columns = intermediate,
                                                                      .x = x.data(),
                                                                      .dy = dy.data(),
                                                                      .activation = cloze::Activation::gelu,
                                                                      .dx = dx.data(),
                                                                      .dbias = {dbias.data(), false}});
  rate(state, 3 * tokens * intermediate);
}
BENCHMARK(bias_gelu_backward)->UseRealTime();

void dropout(benchmark::State& state) {
  const auto x = numbers(tokens * hidden);
  auto y = x;
  for (auto _ : state)
    cloze::kernels::dropout(Cpu{}, DropoutArgs<float>{.rows = tokens,
                                                      .columns = hidden,
                                                      .x = x.data(),
                                                      .dropout = cloze::dropout_rule({0.1, 1}),
                                                      .row_ids = nullptr,
                                                      .y = {y.data(), false}});
  rate(state, 2 * tokens * hidden);
}
BENCHMARK(dropout)->UseRealTime();

std::vector<Index> some_rows() {
  std::vector<Index> ids;
  for (Index i = 0; i < tokens; ++i) ids.push_back(i * 7919 % vocabulary);
  return ids;
}

void embedding(benchmark::State& state) {
  const auto table = numbers(vocabulary * hidden);
  auto y = numbers(tokens * hidden);
  const auto ids = some_rows();
  for (auto _ : state)
    gather_forward(
        Cpu{},
        GatherArgs<float>{.count = tokens, .columns = hidden, .table = table.data(), .ids = ids.data(), .y = y.data()});
  rate(state, 2 * tokens * hidden);
}
BENCHMARK(embedding)->UseRealTime();

void embedding_backward(benchmark::State& state) {
  const auto dy = numbers(tokens * hidden);
  auto table = dy;  // a slot for each token
  std::vector<Index> slots;
  for (Index i = 0; i < tokens; ++i) slots.push_back(i * 7 % tokens);
  for (auto _ : state)
    gather_backward(
        Cpu{}, GatherBackwardArgs<float>{
                   .count = tokens, .columns = hidden, .slots = slots.data(), .dy = dy.data(), .dtable = table.data()});
  rate(state, 3 * tokens * hidden);
}
BENCHMARK(embedding_backward)->UseRealTime();

void softmax_rows(benchmark::State& state) {
  const Index columns = state.range(0), rows = Index{1} << 20 >> 2;
  const auto x = numbers(rows);
  auto y = x;
  for (auto _ : state)
    softmax_forward(Cpu{}, SoftmaxArgs<float>{
                               .rows = rows / columns, .columns = columns, .x = x.data(), .log = false, .y = y.data()});
  rate(state, 2 * (rows / columns) * columns);
}
BENCHMARK(softmax_rows)->ArgName("columns")->Arg(32)->Arg(128)->Arg(50265)->UseRealTime();

void cross_entropy_vocabulary(benchmark::State& state) {
  constexpr Index rows = 8;
  const auto logits = numbers(rows * vocabulary);
  std::vector<float> losses(rows), dlogits(logits.size()), dy{1};
  std::vector<CrossEntropyRow<float>> kept(rows);
  const std::vector<Index> labels(rows, 17);
  for (auto _ : state) {
    cross_entropy_forward(Cpu{}, CrossEntropyArgs<float>{.rows = rows,
                                                         .columns = vocabulary,
                                                         .logits = logits.data(),
                                                         .labels = labels.data(),
                                                         .targets = nullptr,
                                                         .ignored = -100,
                                                         .smoothing = 0,
                                                         .losses = losses.data(),
                                                         .kept = kept.data()});
    cross_entropy_backward(Cpu{}, CrossEntropyBackwardArgs<float>{.rows = rows,
                                                                  .columns = vocabulary,
                                                                  .logits = logits.data(),
                                                                  .labels = labels.data(),
                                                                  .targets = nullptr,
                                                                  .ignored = -100,
                                                                  .smoothing = 0,
                                                                  .kept = kept.data(),
                                                                  .dy = dy.data(),
                                                                  .step = 0,
                                                                  .scale = 0.125f,
                                                                  .dlogits = {dlogits.data(), false},
                                                                  .dtargets = {}});
  }
  rate(state, 3 * rows * vocabulary);
}
BENCHMARK(cross_entropy_vocabulary)->UseRealTime();

void adamw(benchmark::State& state) {
  const Index size = state.range(0);
  auto weight = numbers(size), m = weight, v = std::vector<float>(weight.size(), 1e-4f);
  const auto grad = weight;
  const AdamWArgs<float> args{.size = size,
                              .weight = weight.data(),
                              .grad = grad.data(),
                              .m = m.data(),
                              .v = v.data(),
                              .factors = {.keep = 1,
                                          .one_beta1 = 0.1f,
                                          .beta2 = 0.999f,
                                          .one_beta2 = 0.001f,
                                          .step_size = 1e-5f,
                                          .root = 1,
                                          .eps = 1e-8f}};
  for (auto _ : state) cloze::kernels::adamw(Cpu{}, args);
  rate(state, 7 * size);
}
BENCHMARK(adamw)->ArgName("numbers")->Arg(hidden* intermediate)->Arg(32 << 20)->UseRealTime();

}  // namespace
