// Times attention's kernels on a GPU for benchmarks/cuda/attention.py, which measures PyTorch's on the same sequences.
// Reads cases from standard input, one a line, and answers each with one line of JSON:
//   TYPE HEADS SIZE CAUSAL P CALLS REPETITIONS FILE LENGTH…
// TYPE is float or bf16. One repetition is CALLS calls between two events; FILE, unless it is "-", gets o, dq, dk
// and dv of p = 0 as floats. Where the kernels for Hopper are there and take the case, they are timed as well, and what
// they give is compared with the other ones'. Inputs are one fused [tokens, 3 · heads · size] of sin(0.7 i), the
// gradient of o is sin(1.3 i).
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <cloze/core/dtype.hpp>
#include <cloze/kernels/cuda/attention.cuh>

using namespace cloze;

namespace {

struct Case {
  std::string type, file;
  Index heads, size;
  int causal, calls, repetitions;
  double p;
  std::vector<Index> cu{0};
};

Case read_case(const std::string& line) {
  std::istringstream in(line);
  Case c;
  in >> c.type >> c.heads >> c.size >> c.causal >> c.p >> c.calls >> c.repetitions >> c.file;
  for (Index length; in >> length;) c.cu.push_back(c.cu.back() + length);
  require(in.eof() && c.cu.size() > 1, "cloze.benchmark.1", "the case '{}' is not one", line);
  return c;
}

template <class T>
Storage<T, Cuda> waves(Index size, double step) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = convert<T>(static_cast<float>(std::sin(step * static_cast<double>(i % 1000003))));
  Storage<T, Cuda> there(size);
  copy_elements<Cpu, Cuda>(values.data(), there.data(), size);
  return there;
}

/// Milliseconds of one call, for each repetition.
template <class F>
std::string timed(const Case& c, F&& call) {
  cudaEvent_t begin, end;
  cuda::check(cudaEventCreate(&begin), "making an event");
  cuda::check(cudaEventCreate(&end), "making an event");
  std::string text = "[";
  for (int r = -1; r < c.repetitions; ++r) {  // the first one warms up
    cuda::check(cudaEventRecord(begin, cuda::stream()), "recording an event");
    for (int i = 0; i < c.calls; ++i) call();
    cuda::check(cudaEventRecord(end, cuda::stream()), "recording an event");
    cuda::check(cudaEventSynchronize(end), "waiting for the GPU");
    float milliseconds = 0;
    cuda::check(cudaEventElapsedTime(&milliseconds, begin, end), "reading an event");
    if (r >= 0) text += (r ? ", " : "") + std::to_string(static_cast<double>(milliseconds) / c.calls);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return text + "]";
}

template <class T>
std::vector<float> host(const Storage<T, Cuda>& values) {
  std::vector<T> here(static_cast<std::size_t>(values.size()));
  copy_elements<Cuda, Cpu>(values.data(), here.data(), values.size());
  std::vector<float> wide(here.size());
  for (std::size_t i = 0; i < here.size(); ++i) wide[i] = convert<float>(here[i]);
  return wide;
}

template <class T>
void append(std::ofstream& file, const Storage<T, Cuda>& values) {
  const auto wide = host(values);
  file.write(reinterpret_cast<const char*>(wide.data()), static_cast<std::streamsize>(wide.size() * sizeof(float)));
}

/// The largest difference, over the largest number that is wanted; very much where one is NaN.
float apart(const std::vector<float>& found, const std::vector<float>& wanted) {
  float worst = 0, scale = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    scale = std::max(scale, std::abs(wanted[i]));
    if (const float by = std::abs(found[i] - wanted[i]); !(by <= worst)) worst = by;  // keeps a NaN
  }
  return worst < 1e9f ? worst / scale : 1e9f;
}

template <class T>
void run(const Case& c) {
  using S = kernels::AttentionScalar<T>;
  const Index tokens = c.cu.back(), width = c.heads * c.size, all = kernels::AttentionLayout::all;
  const auto qkv = waves<T>(tokens * 3 * width, 0.7), grad = waves<T>(tokens * width, 1.3);
  const Storage<T, Cuda> o(tokens * width), grads(tokens * 3 * width);
  const Storage<S, Cuda> lse(tokens * c.heads);
  kernels::AttentionArgs<T> a{.layout = {.sequences = static_cast<Index>(c.cu.size()) - 1,
                                         .heads = c.heads,
                                         .kv_heads = c.heads,
                                         .head_size = c.size,
                                         .cu_q = c.cu.data(),
                                         .cu_k = c.cu.data(),
                                         .q_positions = nullptr,
                                         .last_to_last = c.causal != 0,
                                         .before = all,
                                         .after = c.causal ? 0 : all,
                                         .dropout = dropout_rule({c.p, 1})},
                              .scale = static_cast<S>(1 / std::sqrt(static_cast<double>(c.size))),
                              .q = qkv.data(),
                              .q_stride = 3 * width,
                              .k = qkv.data() + width,
                              .k_stride = 3 * width,
                              .v = qkv.data() + 2 * width,
                              .v_stride = 3 * width,
                              .bias = {},
                              .o = o.data(),
                              .o_stride = width,
                              .lse = lse.data()};
  kernels::AttentionBackwardArgs<T> b{
      a, grad.data(), {grads.data(), false}, {grads.data() + width, false}, {grads.data() + 2 * width, false}, {}};
  const auto forward = timed(c, [&] { kernels::attention_forward(Cuda{}, a); });
  const auto backward = timed(c, [&] { kernels::attention_backward(Cuda{}, b); });
  std::string more;
  if constexpr (sizeof(T) == 2)
    if (kernels::cuda::sm90_takes(b) && kernels::cuda::sm90_compiled()) {
      const auto wanted_o = host(o), wanted_grads = host(grads);
      more = ", \"forward_sm90\": " + timed(c, [&] { kernels::cuda::attention_forward_sm90(a); });
      more += ", \"backward_sm90\": " + timed(c, [&] {
                Storage<float, Cuda> dots;
                kernels::cuda::attention_backward_sm90(b, dots);
              });
      more += ", \"sm90_apart\": [" + std::to_string(apart(host(o), wanted_o)) + ", " +
              std::to_string(apart(host(grads), wanted_grads)) + "]";
    }
  if (c.file != "-") {
    a.layout.dropout = b.forward.layout.dropout = {};
    kernels::attention_forward(Cuda{}, a);
    kernels::attention_backward(Cuda{}, b);
    std::ofstream file(c.file, std::ios::binary);
    append(file, o);
    append(file, grads);
    file.flush();
    require(file.good(), "cloze.benchmark.2", "{}: cannot be written", c.file);
  }
  std::cout << "{\"forward\": " << forward << ", \"backward\": " << backward << more << "}" << std::endl;
}

}  // namespace

int main() try {
  for (std::string line; std::getline(std::cin, line);) {
    const Case c = read_case(line);
    require(c.type == "bf16" || c.type == "float", "cloze.benchmark.1", "the case '{}' is not one", line);
    if (c.type == "bf16")
      run<BFloat16>(c);
    else
      run<float>(c);
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
