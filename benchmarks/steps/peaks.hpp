// What this machine can do, measured in the same run: the rate of one large matrix product, and of copying memory.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <cloze/core/parallel.hpp>
#include <cloze/kernels/gemm.hpp>

namespace cloze::bench {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The best GFLOP/s of kernels::gemm, C [m, n] = A [m, k] Bᵀ, within about `budget` seconds.
inline double gemm_rate(Index m, Index n, Index k, double budget) {
  const auto size = [](Index rows, Index columns) { return static_cast<std::size_t>(rows * columns); };
  const std::vector<float> a(size(m, k), 0.5f), b(size(n, k), 0.25f);
  std::vector<float> c(size(m, n));
  double best = 0;
  const auto begun = std::chrono::steady_clock::now();
  for (int run = 0; run < 3 || seconds_since(begun) < budget; ++run) {
    const auto start = std::chrono::steady_clock::now();
    kernels::gemm(Cpu{}, kernels::GemmArgs<float>{.m = m,
                                                  .n = n,
                                                  .k = k,
                                                  .a = a.data(),
                                                  .lda = k,
                                                  .transpose_a = false,
                                                  .b = b.data(),
                                                  .ldb = k,
                                                  .transpose_b = true,
                                                  .c = c.data(),
                                                  .ldc = n,
                                                  .add = false});
    best = std::max(
        best, 2e-9 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) / seconds_since(start));
  }
  return best;
}

/// The largest of several large products' rates.
inline double peak_gemm_rate(double budget) {
  return std::max({gemm_rate(1024, 1024, 1024, budget / 3), gemm_rate(2048, 768, 3072, budget / 3),
                   gemm_rate(2048, 3072, 768, budget / 3)});
}

/// GB/s of reading one array and writing another, 128 MiB each: bytes read and bytes written both count.
inline double copy_rate(double budget) {
  constexpr Index size = Index{128} << 20;
  std::vector<char> from(size, 1), to(size, 2);
  double best = 0;
  const auto begun = std::chrono::steady_clock::now();
  for (int run = 0; run < 3 || seconds_since(begun) < budget; ++run) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(size, 1 << 20, [&](Index begin, Index end) {
      std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin));
    });
    best = std::max(best, 2e-9 * static_cast<double>(size) / seconds_since(start));
  }
  return best;
}

/// The most memory that this process ever had, in MB (VmHWM); -1 where the system does not say.
inline double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes / 1024;
  }
  return -1;
}

}  // namespace cloze::bench
