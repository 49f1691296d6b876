// Times the kernels that move more than they compute on a GPU: one line of JSON for each, with microseconds of a call
// (median of repetitions, calls back to back) and GB/s of the bytes that must be read and written once. A copy of
// memory is there for comparison. Shapes of RoBERTa-large: a batch of k-shot prompts and one of long texts.
#include <algorithm>
#include <cstdio>
#include <vector>

#include <cloze/core/dtype.hpp>
#include <cloze/kernels/cuda/adamw.cuh>
#include <cloze/kernels/cuda/bias_activation.cuh>
#include <cloze/kernels/cuda/cross_entropy.cuh>
#include <cloze/kernels/cuda/dropout.cuh>
#include <cloze/kernels/cuda/embedding_norm.cuh>
#include <cloze/kernels/cuda/gather.cuh>
#include <cloze/kernels/cuda/layer_norm.cuh>
#include <cloze/kernels/cuda/rescale.cuh>
#include <cloze/kernels/cuda/softmax.cuh>

using namespace cloze;
using namespace cloze::kernels;

namespace {

constexpr int calls = 20, repetitions = 15;
constexpr Index hidden = 1024, intermediate = 4096, vocabulary = 50265;

template <class T>
Storage<T, Cuda> numbers(Index size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = convert<T>(static_cast<float>(i % 101) * 0.02f - 1);
  Storage<T, Cuda> there(size);
  copy_elements<Cpu, Cuda>(values.data(), there.data(), size);
  return there;
}

/// Prints the time of `call`, which must read and write `bytes` at least.
template <class F>
void timed(const char* name, Dtype type, Index rows, Index columns, Index bytes, F&& call) {
  cudaEvent_t begin, end;
  cloze::cuda::check(cudaEventCreate(&begin), "making an event");
  cloze::cuda::check(cudaEventCreate(&end), "making an event");
  std::vector<double> us;
  for (int r = -3; r < repetitions; ++r) {  // the first ones warm up
    cloze::cuda::check(cudaEventRecord(begin, cloze::cuda::stream()), "recording an event");
    for (int i = 0; i < calls; ++i) call();
    cloze::cuda::check(cudaEventRecord(end, cloze::cuda::stream()), "recording an event");
    cloze::cuda::check(cudaEventSynchronize(end), "waiting for the GPU");
    float ms = 0;
    cloze::cuda::check(cudaEventElapsedTime(&ms, begin, end), "reading an event");
    if (r >= 0) us.push_back(1e3 * static_cast<double>(ms) / calls);
  }
  cloze::cuda::check(cudaEventDestroy(begin), "freeing an event");
  cloze::cuda::check(cudaEventDestroy(end), "freeing an event");
  std::sort(us.begin(), us.end());
  const double median = us[us.size() / 2];
  std::printf("{\"case\": \"%s\", \"type\": \"%s\", \"rows\": %lld, \"columns\": %lld, \"us\": %.2f, \"gb_s\": %.0f}\n",
              name, std::string(dtype_name(type)).c_str(), static_cast<long long>(rows),
              static_cast<long long>(columns), median, 1e-3 * static_cast<double>(bytes) / median);
  std::fflush(stdout);
}

/// The kernels of a step on `rows` tokens.
template <class T>
void step_kernels(Index rows) {
  using A = Compute<T>;
  const Dtype type = dtype_of<T>;
  const Index size = rows * hidden, bytes = size * static_cast<Index>(sizeof(T));
  const auto x = numbers<T>(size), residual = numbers<T>(size), dy = numbers<T>(size);
  const auto gamma = numbers<T>(hidden), beta = numbers<T>(hidden);
  const Storage<T, Cuda> y(size), z(size), dx(size), dresidual(size), dgamma(hidden), dbeta(hidden);
  const Storage<A, Cuda> mean(rows), rstd(rows);
  const auto rule = dropout_rule({.p = 0.1, .key = 1});
  std::vector<Index> ids;
  for (Index r = 0; r < rows; ++r) ids.push_back(r % 7 == 0 ? 0 : r * 7919 % vocabulary);

  for (const bool drop : {false, true}) {
    const LayerNormArgs<T> args{.rows = rows,
                                .columns = hidden,
                                .x = x.data(),
                                .residual = residual.data(),
                                .gamma = gamma.data(),
                                .beta = beta.data(),
                                .eps = A(1e-5),
                                .dropout = drop ? rule : DropoutRule{},
                                .row_ids = nullptr,
                                .z = z.data(),
                                .y = y.data(),
                                .mean = mean.data(),
                                .rstd = rstd.data()};
    timed(drop ? "layer_norm, dropout" : "layer_norm", type, rows, hidden, 4 * bytes,
          [&] { layer_norm_forward(Cuda{}, args); });
    LayerNormBackwardArgs<T> back{};
    back.rows = rows;
    back.columns = hidden;
    back.z = z.data();
    back.mean = mean.data();
    back.rstd = rstd.data();
    back.gamma = gamma.data();
    back.dy = dy.data();
    back.dropout = args.dropout;
    back.dx = {dx.data(), false};
    back.dresidual = {dresidual.data(), false};
    back.dgamma = {dgamma.data(), false};
    back.dbeta = {dbeta.data(), false};
    timed(drop ? "layer_norm backward, dropout" : "layer_norm backward", type, rows, hidden, 4 * bytes,
          [&] { layer_norm_backward(Cuda{}, back); });
  }
  timed("dropout", type, rows, hidden, 2 * bytes, [&] {
    dropout(Cuda{}, DropoutArgs<T>{rows, hidden, x.data(), rule, nullptr, {y.data(), false}});
  });

  const Index wide = rows * intermediate, wide_bytes = wide * static_cast<Index>(sizeof(T));
  const auto before = numbers<T>(wide), bias = numbers<T>(intermediate), dafter = numbers<T>(wide);
  const Storage<T, Cuda> after(wide), dbefore(wide), dbias(intermediate);
  timed("bias and gelu", type, rows, intermediate, 3 * wide_bytes, [&] {
    bias_activation_forward(
        Cuda{}, BiasActivationArgs<T>{rows, intermediate, before.data(), bias.data(), Activation::gelu, after.data()});
  });
  timed("bias and gelu backward", type, rows, intermediate, 3 * wide_bytes, [&] {
    bias_activation_backward(
        Cuda{},
        BiasActivationBackwardArgs<T>{
            rows, intermediate, before.data(), dafter.data(), Activation::gelu, dbefore.data(), {dbias.data(), false}});
  });

  const auto table = numbers<T>(vocabulary * hidden);
  const EmbeddingNormArgs<T> embedding{.rows = rows,
                                       .columns = hidden,
                                       .tables = {{table.data(), ids.data()}, {table.data(), ids.data()}, {}},
                                       .count = 2,
                                       .gamma = gamma.data(),
                                       .beta = beta.data(),
                                       .eps = A(1e-5),
                                       .dropout = rule,
                                       .z = z.data(),
                                       .y = y.data(),
                                       .mean = mean.data(),
                                       .rstd = rstd.data()};
  timed("embedding_norm", type, rows, hidden, 4 * bytes, [&] { embedding_norm_forward(Cuda{}, embedding); });
  timed("gather backward", type, rows, hidden, 3 * bytes, [&] {
    gather_backward(Cuda{}, GatherBackwardArgs<T>{rows, hidden, ids.data(), dy.data(), table.data()});
  });
}

/// A head over a whole vocabulary, and what an optimizer does with 32 M weights.
template <class T>
void large_kernels() {
  using A = Compute<T>;
  const Dtype type = dtype_of<T>;
  const Index rows = 64, size = rows * vocabulary, bytes = size * static_cast<Index>(sizeof(T));
  const auto logits = numbers<T>(size);
  const Storage<T, Cuda> y(size), losses(rows);
  const Storage<CrossEntropyRow<A>, Cuda> kept(rows);
  const auto one = numbers<T>(1);
  const std::vector<Index> labels(static_cast<std::size_t>(rows), 17);
  timed("softmax", type, rows, vocabulary, 2 * bytes, [&] {
    softmax_forward(Cuda{}, SoftmaxArgs<T>{rows, vocabulary, logits.data(), false, y.data()});
  });
  timed("cross_entropy", type, rows, vocabulary, bytes, [&] {
    cross_entropy_forward(Cuda{}, CrossEntropyArgs<T>{rows, vocabulary, logits.data(), labels.data(), nullptr, -100,
                                                      A(0), losses.data(), kept.data()});
  });
  timed("cross_entropy backward", type, rows, vocabulary, 2 * bytes, [&] {
    cross_entropy_backward(Cuda{}, CrossEntropyBackwardArgs<T>{rows,
                                                               vocabulary,
                                                               logits.data(),
                                                               labels.data(),
                                                               nullptr,
                                                               -100,
                                                               A(0),
                                                               kept.data(),
                                                               one.data(),
                                                               0,
                                                               A(1),
                                                               {y.data(), false},
                                                               {}});
  });

  const Index weights = Index{32} << 20;
  const auto w = numbers<T>(weights), g = numbers<T>(weights);
  const Storage<A, Cuda> m(weights), v(weights), master(weights);
  for (const auto& moments : {m, v, master}) moments.zero();
  const bool low = sizeof(T) == 2;
  AdamWArgs<T> step{};
  step.size = weights;
  step.weight = w.data();
  step.grad = g.data();
  step.m = m.data();
  step.v = v.data();
  step.factors = {A(1), A(0.1), A(0.999), A(0.001), A(1e-5), A(1), A(1e-8), A(1)};
  step.master = low ? master.data() : nullptr;
  // float: four numbers read, three written; 16 bits: weight and gradient in 2 bytes, the copy read and written too.
  timed("adamw", type, 1, weights, weights * 28, [&] { adamw(Cuda{}, step); });
  const Storage<double, Cuda> sum(1);
  timed("square_sum", type, 1, weights, weights * static_cast<Index>(sizeof(T)), [&] {
    square_sum(Cuda{}, SquareSumArgs<T>{weights, g.data(), sum.data()});
  });
  timed("copy", type, 1, weights, 2 * weights * static_cast<Index>(sizeof(T)), [&] {
    cloze::cuda::check(cudaMemcpyAsync(w.data(), g.data(), static_cast<std::size_t>(weights) * sizeof(T),
                                       cudaMemcpyDeviceToDevice, cloze::cuda::stream()),
                       "copying");
  });
}

}  // namespace

int main() {
  try {
    for (const Index tokens : {320, 8192}) {
      step_kernels<float>(tokens);
      step_kernels<BFloat16>(tokens);
    }
    large_kernels<float>();
    large_kernels<BFloat16>();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
