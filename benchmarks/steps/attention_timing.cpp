// Attention forward and backward, timed: the side of cloze in benchmarks/peers/attention.py.
//
// usage: attention_timing [--threads N]
// Reads cases from the standard input, one a line: "REPETITIONS DROPOUT HEADS HEAD_SIZE LENGTH LENGTH …". Answers each
// with one JSON line: the milliseconds of every repetition, and two sums that show that both sides compute the same.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>
#include <cloze/autograd/attention.hpp>

namespace {

/// What a loss would give: the gradient of `output` is `values`.
cloze::Tensor<float> with_gradient(const cloze::Tensor<float>& output, const std::vector<float>& values) {
  auto total = cloze::Tensor<float>::scalar(0);
  cloze::record_op(
      "loss", total,
      [output, &values](cloze::OutputView<float>) {
        const auto target = output.gradient().dense(output.size(), 1);
        std::copy(values.begin(), values.end(), target.data);
      },
      output);
  return total;
}

double mean_square(const std::vector<float>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return sum / static_cast<double>(values.size());
}

std::vector<float> waves(cloze::Index size, double step) {
  std::vector<float> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(std::sin(step * double(i % 1000003)));
  return values;
}

void run_case(const std::string& line) {
  std::istringstream words(line);
  int repetitions = 0;
  double dropout = 0;
  cloze::Index heads = 0, size = 0, length = 0;
  words >> repetitions >> dropout >> heads >> size;
  std::vector<cloze::Index> cu{0};
  while (words >> length) cu.push_back(cu.back() + length);
  auto qkv = cloze::Tensor<float>::from(waves(cu.back() * 3 * heads * size, 0.7), {cu.back(), 3 * heads * size});
  qkv.requires_grad(true);
  const auto gradient = waves(cu.back() * heads * size, 1.3);
  std::vector<double> times;
  double out = 0, grad = 0;
  for (int i = 0; i < repetitions; ++i) {
    qkv.zero_grad();
    const auto start = std::chrono::steady_clock::now();
    {
      const auto y = cloze::attention_qkv(
          qkv, {.heads = heads, .dropout = {dropout, static_cast<std::uint64_t>(i)}, .cu_seqlens = cu});
      with_gradient(y, gradient).backward();
      times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
      if (i == 0) out = mean_square(y.to_vector());
    }
    if (i == 0) grad = mean_square(qkv.grad().to_vector());
  }
  std::printf("{\"out\": %.9g, \"grad\": %.9g, \"ms\": [", out, grad);
  for (std::size_t i = 0; i < times.size(); ++i) std::printf("%s%.4f", i == 0 ? "" : ", ", times[i]);
  std::printf("]}\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  int threads = 1;
  CLI::App app("Times attention, forward and backward");
  app.add_option("--threads", threads);
  CLI11_PARSE(app, argc, argv);
  try {
    cloze::set_num_threads(threads);
    for (std::string line; std::getline(std::cin, line);) run_case(line);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
