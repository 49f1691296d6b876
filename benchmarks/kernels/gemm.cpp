// The matrix products of a training step in their three orientations, GFLOP/s. `rows` is the number of tokens: 240 are
// eight SST-2 prompts.
#include <vector>

#include <benchmark/benchmark.h>
#include <cloze/kernels/gemm.hpp>

namespace {

using cloze::Index;

std::vector<float> numbers(Index rows, Index columns) {
  std::vector<float> x(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) * 0.1f;
  return x;
}

void product(benchmark::State& state, Index m, Index n, Index k, bool transpose_a, bool transpose_b) {
  const auto a = numbers(m, k), b = numbers(n, k);
  auto c = numbers(m, n);
  const cloze::kernels::GemmArgs<float> args{.m = m,
                                             .n = n,
                                             .k = k,
                                             .a = a.data(),
                                             .lda = transpose_a ? m : k,
                                             .transpose_a = transpose_a,
                                             .b = b.data(),
                                             .ldb = transpose_b ? k : n,
                                             .transpose_b = transpose_b,
                                             .c = c.data(),
                                             .ldc = n,
                                             .add = false};
  for (auto _ : state) cloze::kernels::gemm(cloze::Cpu{}, args);
  const double flop = 2e-9 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  state.counters["GFLOP/s"] = benchmark::Counter(flop, benchmark::Counter::kIsIterationInvariantRate);
}

/// y = x Wᵀ
void forward(benchmark::State& state) { product(state, state.range(0), state.range(2), state.range(1), false, true); }
/// dx = dy W
void input_gradient(benchmark::State& state) {
  product(state, state.range(0), state.range(1), state.range(2), false, false);
}
/// dW = dyᵀ x
void weight_gradient(benchmark::State& state) {
  product(state, state.range(2), state.range(1), state.range(0), true, false);
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"rows", "in", "out"})->UseRealTime();
  for (const int rows : {8, 240, 1024})
    for (const auto& [in, out] : {std::pair{768, 2304}, {768, 768}, {768, 3072}, {3072, 768}})
      benchmark->Args({rows, in, out});
  for (const auto& [in, out] : {std::pair{384, 1152}, {384, 1536}, {1536, 384}}) benchmark->Args({240, in, out});
}
BENCHMARK(forward)->Apply(shapes);
BENCHMARK(input_gradient)->Apply(shapes);
BENCHMARK(weight_gradient)->Apply(shapes);

void large(benchmark::State& state) { product(state, 2048, 2048, 2048, false, true); }
BENCHMARK(large)->UseRealTime();

}  // namespace
