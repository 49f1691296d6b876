#include <cloze/kernels/cpu/gemm_precision.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <cloze/kernels/gemm.hpp>

#include "support/gradcheck.hpp"

using namespace cloze;
using namespace cloze::kernels;
using kernels::detail::Bf16Unit;

namespace {

/// Float again, whatever a test has set.
struct FloatAfterwards {
  ~FloatAfterwards() { set_gemm_precision(GemmPrecision::float32); }
};

/// The nearest bf16 number, ties to even, by its definition.
double rounded_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto below = bits >> 16 << 16;
  const double low = std::bit_cast<float>(below), high = std::bit_cast<float>(below + 0x10000);
  const double to_low = std::abs(value - low), to_high = std::abs(high - value);
  return to_low < to_high || (to_low == to_high && (below >> 16) % 2 == 0) ? low : high;
}

struct Problem {
  Index m, n, k;
  bool transpose_a, transpose_b, add;
  std::vector<float> a, b, c;

  Problem(Index m_, Index n_, Index k_, int orientation, bool add_)
      : m(m_), n(n_), k(k_), transpose_a(orientation % 2 == 1), transpose_b(orientation / 2 == 1), add(add_) {
    const auto values = [](Index size, int seed) {
      const auto numbers = cloze::test::numbers(static_cast<std::size_t>(size), seed);
      return std::vector<float>(numbers.begin(), numbers.end());
    };
    a = values((transpose_a ? k : m) * lda(), 1);
    b = values((transpose_b ? n : k) * ldb(), 2);
    c = values(m * ldc(), 3);
  }
  Index lda() const { return (transpose_a ? m : k) + 3; }
  Index ldb() const { return (transpose_b ? k : n) + 1; }
  Index ldc() const { return n + 2; }
  double left(Index i, Index p) const {
    return rounded_to_bf16(a[std::size_t(transpose_a ? p * lda() + i : i * lda() + p)]);
  }
  double right(Index p, Index j) const {
    return rounded_to_bf16(b[std::size_t(transpose_b ? j * ldb() + p : p * ldb() + j)]);
  }
  template <class Solve>
  std::vector<float> solve(Solve solve) const {
    auto result = c;
    solve(GemmArgs<float>{m, n, k, a.data(), lda(), transpose_a, b.data(), ldb(), transpose_b, result.data(), ldc(),
                          add});
    return result;
  }
  std::vector<float> on_cpu() const {
    return solve([](const GemmArgs<float>& g) { gemm(Cpu{}, g); });
  }
  /// The largest error of `result` beside exact sums of rounded operands, in units of the sum of absolute products.
  double error(const std::vector<float>& result) const {
    double worst = 0;
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < ldc(); ++j) {
        const auto at = std::size_t(i * ldc() + j);
        if (j >= n) {
          CHECK(result[at] == c[at]);
          continue;
        }
        double sum = add ? c[at] : 0, scale = std::abs(sum);
        for (Index p = 0; p < k; ++p) {
          sum += left(i, p) * right(p, j);
          scale += std::abs(left(i, p) * right(p, j));
        }
        worst = std::max(worst, std::abs(result[at] - sum) / scale);
      }
    return worst;
  }
};

#ifdef CLOZE_BF16_KERNELS
/// The units that this machine has: AMX includes AVX512_BF16.
std::vector<Bf16Unit> units() {
  if (kernels::detail::bf16_unit() == Bf16Unit::amx) return {Bf16Unit::avx512, Bf16Unit::amx};
  if (kernels::detail::bf16_unit() == Bf16Unit::avx512) return {Bf16Unit::avx512};
  return {};
}
#endif

}  // namespace

#ifdef CLOZE_BF16_KERNELS
TEST_CASE("bf16 products are sums in float of operands rounded to bf16, in every orientation, with any strides") {
  for (const Bf16Unit unit : units()) {
    int round = 0;
    for (const Index m : {1, 3, 16, 17, 31, 33, 70})
      for (const Index n : {1, 2, 15, 32, 45})
        for (const Index k : {1, 2, 31, 33, 64, 1025}) {
          const Problem problem(m, n, k, round % 4, round / 4 % 2 == 1);
          ++round;
          INFO(kernels::detail::name_of(unit) << " " << m << " " << n << " " << k << ", round " << round);
          CHECK(problem.error(problem.solve([&](const GemmArgs<float>& g) { kernels::detail::gemm_bf16(unit, g); })) <
                1e-6);
        }
    const Problem several(1100, 40, 1500, 2, true);  // several blocks of rows and of k
    CHECK(several.error(several.solve([&](const GemmArgs<float>& g) { kernels::detail::gemm_bf16(unit, g); })) < 1e-6);
  }
}

TEST_CASE("bf16 products keep infinities and NaN in their rows") {
  for (const Bf16Unit unit : units()) {
    Problem problem(40, 40, 40, 0, false);
    problem.a[std::size_t(3 * problem.lda())] = std::numeric_limits<float>::infinity();
    problem.a[std::size_t(5 * problem.lda())] = std::numeric_limits<float>::quiet_NaN();
    const auto result = problem.solve([&](const GemmArgs<float>& g) { kernels::detail::gemm_bf16(unit, g); });
    for (Index i = 0; i < 40; ++i)
      for (Index j = 0; j < 40; ++j) {
        const float value = result[std::size_t(i * problem.ldc() + j)];
        CHECK((i == 3 ? std::isinf(value) : i == 5 ? std::isnan(value) : std::isfinite(value)));
      }
  }
}
#endif

TEST_CASE("products are float until bf16 is asked for, and float again afterwards") {
  const FloatAfterwards restore;
  const Problem problem(33, 50, 70, 2, false);
  const auto before = problem.on_cpu();
  CHECK(gemm_precision() == GemmPrecision::float32);
  const auto library = gemm_backend();
  if (kernels::detail::bf16_unit() == Bf16Unit::none) {
    REQUIRE_ERROR(set_gemm_precision(GemmPrecision::bf16), "cloze.gemm.2");
    CHECK(gemm_precision() == GemmPrecision::float32);
    return;
  }
  set_gemm_precision(GemmPrecision::bf16);
  CHECK(gemm_precision() == GemmPrecision::bf16);
  CHECK(gemm_backend().starts_with("bf16 by A"));
  CHECK(gemm_backend<double>().starts_with("Eigen 3."));
  const auto in_bf16 = problem.on_cpu();
  CHECK(in_bf16 != before);
  CHECK(problem.error(in_bf16) < 1e-6);
  CHECK(cloze::test::relative_error(in_bf16, before) < 0.01);  // two operands with 8 bits each
  set_gemm_precision(GemmPrecision::float32);
  CHECK(gemm_backend() == library);
  CHECK(problem.on_cpu() == before);
}

TEST_CASE("bf16 products give the same bits for any number of threads") {
  if (kernels::detail::bf16_unit() == Bf16Unit::none) return;
  const FloatAfterwards restore;
  set_gemm_precision(GemmPrecision::bf16);
  const int before = num_threads();
  for (const auto& [m, n, k] : {std::array<Index, 3>{240, 768, 768}, {23, 559, 870}, {768, 384, 65}, {700, 3, 1300}})
    for (const int orientation : {0, 1, 2}) {
      const Problem problem(m, n, k, orientation, orientation == 1);
      set_num_threads(1);
      const auto wanted = problem.on_cpu();
      for (const int threads : {2, 3, 5}) {
        set_num_threads(threads);
        INFO(m << " " << n << " " << k << " " << orientation << ", threads " << threads);
        CHECK(problem.on_cpu() == wanted);
      }
    }
  set_num_threads(before);
}

TEST_CASE("the fastest precision is one that this machine has, says its name, and does not change in a process") {
  const FloatAfterwards restore;
  set_gemm_precision(GemmPrecision::fastest);
  const auto chosen = gemm_precision();
  const auto name = gemm_backend();
  CHECK((chosen == GemmPrecision::float32 || kernels::detail::bf16_unit() != Bf16Unit::none));
  CHECK(name.starts_with("bf16 by ") == (chosen == GemmPrecision::bf16));
  set_gemm_precision(GemmPrecision::float32);
  set_gemm_precision(GemmPrecision::fastest);
  CHECK(gemm_precision() == chosen);
}

TEST_CASE("bf16 products of nothing leave zeros, or what was there") {
  if (kernels::detail::bf16_unit() == Bf16Unit::none) return;
  const FloatAfterwards restore;
  set_gemm_precision(GemmPrecision::bf16);
  for (const bool add : {false, true}) {
    std::vector<float> c(6, 3.0f);
    gemm(Cpu{}, GemmArgs<float>{2, 3, 0, nullptr, 1, false, nullptr, 1, false, c.data(), 3, add});
    CHECK(c == std::vector<float>(6, add ? 3.0f : 0.0f));
    gemm(Cpu{}, GemmArgs<float>{0, 3, 4, nullptr, 4, false, nullptr, 3, false, nullptr, 3, add});
  }
}

TEST_CASE("a precision is chosen by its name") {
  CHECK(gemm_precision_named("float32") == GemmPrecision::float32);
  CHECK(gemm_precision_named("bf16") == GemmPrecision::bf16);
  CHECK(gemm_precision_named("fastest") == GemmPrecision::fastest);
  REQUIRE_ERROR(gemm_precision_named("bfloat16"), "cloze.gemm.3");
}
