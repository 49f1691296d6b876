// Runs a fuzz target without libFuzzer: every seed as it is, then reproducible mutations of the seeds for a time.
//
// usage: fuzz_NAME [--seconds S] [--runs N] FILE_OR_FOLDER…
//
// The mutations are drawn from a fixed seed, so that run N is the same everywhere; only how many fit into S seconds
// differs. Before each run the input is kept, and written to ./fuzz_failure.bin when the target throws or the process
// dies: `fuzz_NAME fuzz_failure.bin` repeats it. A run that takes longer than ten seconds counts as a hang.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t longest_input = 1 << 16;
constexpr unsigned longest_run = 10;  // seconds

Bytes current;  // global, so that the signal handler can write it

void keep_failure() {
  if (std::FILE* file = std::fopen("fuzz_failure.bin", "wb")) {
    if (!current.empty()) std::fwrite(current.data(), 1, current.size(), file);
    std::fclose(file);
  }
}

extern "C" void on_signal(int number) {
  keep_failure();
  constexpr std::string_view hang = "fuzz: a run takes too long; input in fuzz_failure.bin\n";
  constexpr std::string_view crash = "fuzz: the target crashed; input in fuzz_failure.bin\n";
  const std::string_view text = number == SIGALRM ? hang : crash;
  if (::write(2, text.data(), text.size()) < 0) std::_Exit(2);
  std::_Exit(1);
}

void run(Bytes input) {
  current = std::move(input);
  ::alarm(longest_run);
  try {
    // A copy of the exact size: reading past its end is past the end of an allocation, where a sanitizer sees it.
    const Bytes exact(current.begin(), current.end());
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
  } catch (const std::exception& error) {
    keep_failure();
    std::fprintf(stderr, "fuzz: the target threw: %s\ninput in fuzz_failure.bin\n", error.what());
    std::exit(1);
  }
  ::alarm(0);
}

class Mutator {
 public:
  explicit Mutator(const std::vector<Bytes>& seeds) : seeds_(seeds) {}

  /// A seed changed in 1 to 8 places.
  Bytes next() {
    Bytes input = seeds_[below(seeds_.size())];
    for (std::size_t left = 1 + below(8); left > 0; --left) change(input);
    if (input.size() > longest_input) input.resize(longest_input);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(random_() % bound); }

  void change(Bytes& input) {
    static constexpr std::uint8_t telling[] = {0,   1,    9,    10,   13,   32,   '"',  '\\', '{',
                                               '}', '[',  ']',  ',',  ':',  '*',  '_',  '-',  '0',
                                               '9', 0x7f, 0x80, 0xbf, 0xc0, 0xe2, 0xed, 0xf4, 0xff};
    const std::size_t at = below(input.size() + 1);
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
    const auto some = static_cast<std::ptrdiff_t>(std::min(1 + below(16), input.size() - at));
    switch (below(8)) {
      case 0:  // flip a bit
        if (at < input.size()) input[at] ^= static_cast<std::uint8_t>(1u << below(8));
        break;
      case 1:  // overwrite with a byte that means something
        if (at < input.size()) input[at] = telling[below(std::size(telling))];
        break;
      case 2:
        input.insert(place, telling[below(std::size(telling))]);
        break;
      case 3:
        input.erase(place, place + some);
        break;
      case 4: {  // repeat a piece
        const Bytes piece(place, place + some);
        input.insert(place, piece.begin(), piece.end());
        break;
      }
      case 5:
        input.resize(at);
        break;
      case 6: {  // overwrite eight bytes with a length that lies
        static constexpr std::uint64_t lies[] = {0, 1, 255, 1u << 31, 0xffffffffu, 1ull << 40, ~0ull >> 1, ~0ull};
        const std::uint64_t lie = lies[below(std::size(lies))];
        for (std::size_t i = 0; i < 8 && at + i < input.size(); ++i)
          input[at + i] = static_cast<std::uint8_t>(lie >> (8 * i));
        break;
      }
      default: {  // a piece of another seed
        const Bytes& other = seeds_[below(seeds_.size())];
        const std::size_t from = below(other.size() + 1);
        const std::size_t until = std::min(other.size(), from + 1 + below(32));
        input.insert(place, other.begin() + static_cast<std::ptrdiff_t>(from),
                     other.begin() + static_cast<std::ptrdiff_t>(until));
      }
    }
  }

  const std::vector<Bytes>& seeds_;
  std::mt19937_64 random_{20240229};
};

Bytes read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "fuzz: cannot read %s\n", path.c_str());
    std::exit(2);
  }
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 0;
  long long most = -1;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--seconds" && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else if (word == "--runs" && i + 1 < argc) {
      most = std::atoll(argv[++i]);
    } else if (std::filesystem::is_directory(word)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(word))
        if (entry.is_regular_file()) files.push_back(entry.path());
    } else {
      files.emplace_back(word);
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "usage: %s [--seconds S] [--runs N] FILE_OR_FOLDER…\n", argv[0]);
    return 2;
  }
  for (const int number : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL, SIGALRM}) std::signal(number, on_signal);

  std::vector<Bytes> seeds;
  for (const auto& file : files) {
    seeds.push_back(read(file));
    run(seeds.back());
  }
  run({});
  Mutator mutator(seeds);
  long long runs = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (most >= 0 ? runs < most : std::chrono::steady_clock::now() < end) {
    run(mutator.next());
    ++runs;
  }
  std::printf("%zu seeds and %lld mutations, no failure\n", seeds.size(), runs);
  return 0;
}
