#include <cloze/kernels/gemm.hpp>

#include <cstdlib>
#include <string>
#include <vector>

#include "support/gradcheck.hpp"

using namespace cloze;
using namespace cloze::kernels;

namespace {

/// Operands with row strides wider than their rows, and C filled with something.
template <class T>
struct Problem {
  Index m, n, k;
  bool transpose_a, transpose_b, add;
  std::vector<T> a, b, c;

  Problem(Index m_, Index n_, Index k_, bool ta, bool tb, bool add_)
      : m(m_), n(n_), k(k_), transpose_a(ta), transpose_b(tb), add(add_) {
    const auto values = [](Index size, int seed) {
      const auto numbers = cloze::test::numbers(static_cast<std::size_t>(size), seed);
      return std::vector<T>(numbers.begin(), numbers.end());
    };
    a = values(std::max<Index>(1, (ta ? k : m) * lda()), 1);
    b = values(std::max<Index>(1, (tb ? n : k) * ldb()), 2);
    c = values(std::max<Index>(1, m * ldc()), 3);
  }
  Index lda() const { return (transpose_a ? m : k) + 3; }
  Index ldb() const { return (transpose_b ? k : n) + 1; }
  Index ldc() const { return n + 2; }
  template <class D>
  std::vector<T> solve(D device) const {
    auto result = c;
    gemm(device,
         GemmArgs<T>{m, n, k, a.data(), lda(), transpose_a, b.data(), ldb(), transpose_b, result.data(), ldc(), add});
    return result;
  }
};

template <class T>
void check_against_reference(double tolerance) {
  const Index sizes[] = {1, 2, 3, 16, 17, 47, 49, 191, 193, 385};
  int round = 0;
  for (const Index m : sizes)
    for (const Index n : sizes) {
      const Index k = sizes[round % 8];
      const bool ta = round % 3 == 1, tb = round % 3 == 2, add = round % 2 == 0;
      ++round;
      INFO(m << " " << n << " " << k << " " << ta << tb << add);
      const Problem<T> problem(m, n, k, ta, tb, add);
      const auto fast = problem.solve(Cpu{}), slow = problem.solve(Reference{});
      CHECK(cloze::test::relative_error(fast, slow) < tolerance);
    }
}

}  // namespace

TEST_CASE("gemm on Cpu is gemm on Reference, in every orientation, with any strides, written or added") {
  check_against_reference<float>(2e-6);
  check_against_reference<double>(1e-14);
}

TEST_CASE("an inner extent of nothing leaves zeros, or what was there, and rows beyond C alone") {
  for (const bool add : {false, true}) {
    const Problem<float> problem(5, 7, 0, false, true, add);
    const auto result = problem.solve(Cpu{});
    CHECK(result == problem.solve(Reference{}));
    CHECK(result[7] == problem.c[7]);
  }
}

TEST_CASE("products of no rows or columns do nothing") {
  for (const auto& [m, n] : {std::pair<Index, Index>{0, 5}, {5, 0}, {0, 0}}) {
    const Problem<float> problem(m, n, 4, false, true, false);
    CHECK(problem.solve(Cpu{}) == problem.c);
  }
}

TEMPLATE_TEST_CASE("gemm gives the same bits for any number of threads", "", float, double) {
  const int before = num_threads();
  for (const auto& [m, n, k] : {std::array<Index, 3>{44, 128, 1024},
                                {190, 384, 768},
                                {391, 384, 384},
                                {8, 768, 512},
                                {768, 384, 65},
                                {23, 559, 870},
                                {97, 96, 5000},
                                {700, 3, 300}})
    for (const int orientation : {0, 1, 2}) {
      const Problem<TestType> problem(m, n, k, orientation == 1, orientation == 2, false);
      set_num_threads(1);
      const auto wanted = problem.solve(Cpu{});
      for (const int threads : {2, 3, 5}) {
        set_num_threads(threads);
        INFO(m << " " << n << " " << k << " " << orientation << ", threads " << threads);
        CHECK(problem.solve(Cpu{}) == wanted);
      }
    }
  set_num_threads(before);
}

TEST_CASE("the library behind gemm says its name") {
#ifdef CLOZE_WITH_ONEDNN
  CHECK(gemm_backend().starts_with("oneDNN 2."));
#else
  CHECK(gemm_backend().starts_with("Eigen 3."));
#endif
  CHECK(gemm_backend<double>().starts_with("Eigen 3."));
}

#ifdef CLOZE_WITH_ONEDNN
TEST_CASE("what oneDNN refuses is an error with the shapes") {
  std::vector<float> a(64, 1.0f), b(64, 1.0f), c(64);
  const GemmArgs<float> narrow{4, 4, 8, a.data(), 2, false, b.data(), 4, false, c.data(), 4, false};  // rows overlap
  REQUIRE_ERROR(gemm(Cpu{}, narrow), "cloze.gemm.1");
}
#endif
