// Attention kernels, GFLOP/s: 4 · queries · keys · head size a head forward, 10 backward (recomputation not counted).
// One sequence length per run, 12 heads of 64, sequences for about 1024 tokens.
#include <cmath>
#include <vector>

#include <benchmark/benchmark.h>
#include <cloze/kernels/attention.hpp>

namespace {

using cloze::Index;

struct Buffers {
  static constexpr Index heads = 12, size = 64, hidden = heads * size;
  std::vector<Index> cu{0};
  std::vector<float> qkv, o, lse, grad_o, grad_qkv;
  cloze::kernels::AttentionArgs<float> forward{};

  Buffers(Index length, double p) {
    const Index tokens = std::max<Index>(1, 1024 / length) * length;
    while (cu.back() < tokens) cu.push_back(cu.back() + length);
    const auto fill = [](std::vector<float>& x, Index count) {
      x.resize(static_cast<std::size_t>(count));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i)));
    };
    fill(qkv, tokens * 3 * hidden);
    fill(grad_o, tokens * hidden);
    o.resize(grad_o.size());
    lse.resize(static_cast<std::size_t>(tokens * heads));
    grad_qkv.resize(qkv.size());
    forward.layout.sequences = static_cast<Index>(cu.size()) - 1;
    forward.layout.heads = forward.layout.kv_heads = heads;
    forward.layout.head_size = size;
    forward.layout.before = forward.layout.after = cloze::kernels::AttentionLayout::all;
    forward.layout.cu_q = forward.layout.cu_k = cu.data();
    forward.layout.dropout = cloze::dropout_rule({p, 1});
    forward.scale = 0.125f;
    forward.q = qkv.data();
    forward.k = qkv.data() + hidden;
    forward.v = qkv.data() + 2 * hidden;
    forward.q_stride = forward.k_stride = forward.v_stride = 3 * hidden;
    forward.o = o.data();
    forward.o_stride = hidden;
    forward.lse = lse.data();
  }
  Buffers(const Buffers&) = delete;

  double pairs(Index length) const { return static_cast<double>(forward.layout.sequences * length * length) * hidden; }
};

void rate(benchmark::State& state, double flop) {
  state.counters["GFLOP/s"] = benchmark::Counter(flop * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void forward(benchmark::State& state) {
  const Index length = state.range(0);
  Buffers b(length, static_cast<double>(state.range(1)) / 100);
  for (auto _ : state) cloze::kernels::attention_forward(cloze::Cpu{}, b.forward);
  rate(state, 4 * b.pairs(length));
}

void backward(benchmark::State& state) {
  const Index length = state.range(0), hidden = Buffers::hidden;
  Buffers b(length, static_cast<double>(state.range(1)) / 100);
  cloze::kernels::attention_forward(cloze::Cpu{}, b.forward);
  cloze::kernels::AttentionBackwardArgs<float> args{};
  args.forward = b.forward;
  args.grad_o = b.grad_o.data();
  args.dq = {b.grad_qkv.data(), false};
  args.dk = {b.grad_qkv.data() + hidden, false};
  args.dv = {b.grad_qkv.data() + 2 * hidden, false};
  for (auto _ : state) cloze::kernels::attention_backward(cloze::Cpu{}, args);
  rate(state, 10 * b.pairs(length));
}

void lengths(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"length", "dropout%"})->UseRealTime();
  for (const int p : {0, 10})
    for (const int length : {16, 24, 32, 40, 48, 60, 64, 96, 128, 256, 384, 512, 1024}) benchmark->Args({length, p});
}
BENCHMARK(forward)->Apply(lengths);
BENCHMARK(backward)->Apply(lengths);

}  // namespace
