// Tokenizers on text, MB/s: a line at a time, and many lines on all threads.
// CLOZE_BENCH_TOKENIZER names a Hugging Face folder, CLOZE_BENCH_TEXT a file of lines; scripts/bench sets both.
#include <cstdlib>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <cloze/core/file.hpp>
#include <cloze/text/tokenizer.hpp>

namespace {

struct Loaded {
  cloze::Tokenizer tokenizer;
  std::vector<std::string> lines;
  double bytes = 0;
};

const Loaded* loaded(benchmark::State& state) {
  const char *folder = std::getenv("CLOZE_BENCH_TOKENIZER"), *file = std::getenv("CLOZE_BENCH_TEXT");
  if (folder == nullptr || file == nullptr) {
    state.SkipWithError("set CLOZE_BENCH_TOKENIZER and CLOZE_BENCH_TEXT");
    return nullptr;
  }
  static const Loaded all = [&] {
    Loaded result{cloze::Tokenizer::from_pretrained(folder), {}, 0};
    const std::string text = cloze::read_file(file);
    result.bytes = static_cast<double>(text.size());
    for (std::size_t begin = 0; begin < text.size();) {
      const auto end = std::min(text.find('\n', begin), text.size());
      result.lines.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return result;
  }();
  return &all;
}

void rate(benchmark::State& state, double bytes) {
  state.counters["MB/s"] = benchmark::Counter(1e-6 * bytes, benchmark::Counter::kIsIterationInvariantRate);
}

void encode_lines(benchmark::State& state) {
  const Loaded* all = loaded(state);
  if (all == nullptr) return;
  for (auto _ : state)
    for (const auto& line : all->lines) benchmark::DoNotOptimize(all->tokenizer.encode(line));
  rate(state, all->bytes);
}
BENCHMARK(encode_lines)->Unit(benchmark::kMillisecond)->UseRealTime();

void encode_batch(benchmark::State& state) {
  const Loaded* all = loaded(state);
  if (all == nullptr) return;
  for (auto _ : state) benchmark::DoNotOptimize(all->tokenizer.encode_batch(all->lines));
  rate(state, all->bytes);
}
BENCHMARK(encode_batch)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
