// Threads: one function over a range, on OpenMP where the build has it, else on the calling thread.
#pragma once

#include <algorithm>
#include <exception>

#include <cloze/core/ids.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace cloze {

/// Threads that parallel_for may use: OpenMP's setting (OMP_NUM_THREADS), 1 without OpenMP or inside a parallel region.
inline int num_threads() {
#ifdef _OPENMP
  return omp_in_parallel() ? 1 : omp_get_max_threads();
#else
  return 1;
#endif
}

/// Sets the number of threads for the calling thread's parallel_for and GEMM calls (at least 1).
inline void set_num_threads([[maybe_unused]] int threads) {
#ifdef _OPENMP
  omp_set_num_threads(std::max(1, threads));
#endif
}

/// While it lives, the calling thread starts no other, in the library or in any other that uses the same run-time.
class OneThread {
 public:
  OneThread() : before_(num_threads()) {
    if (before_ > 1) set_num_threads(1);
  }
  ~OneThread() {
    if (before_ > 1) set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// Calls body(begin, end) on disjoint ranges that cover [0, size), each at least `grain` long (the last may be
/// shorter). Ranges depend on the thread count: a body must not let results depend on where a range begins. An
/// exception from any range is rethrown on the calling thread (the first one thrown wins).
template <class Body>
void parallel_for(Index size, Index grain, Body&& body) {
  if (size <= 0) return;
  const Index wanted = (size + std::max<Index>(1, grain) - 1) / std::max<Index>(1, grain);
  const Index ranges = std::min<Index>(wanted, num_threads());
  if (ranges <= 1) {
    body(Index{0}, size);
    return;
  }
#ifdef _OPENMP
  std::exception_ptr failure;
#pragma omp parallel for num_threads(static_cast <int>(ranges)) schedule(static, 1)
  for (Index i = 0; i < ranges; ++i) {
    try {
      body(size * i / ranges, size * (i + 1) / ranges);
    } catch (...) {
#pragma omp critical(cloze_parallel_for)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
#endif
}

}  // namespace cloze
