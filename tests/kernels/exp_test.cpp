#include <cloze/kernels/cpu/exp.hpp>

#include <cmath>
#include <limits>

#include "support/catch.hpp"

namespace {

template <class T>
T lane(T x, std::size_t i) {
  using B = xsimd::batch<T>;
  alignas(64) T lanes[B::size];
  cloze::kernels::exp_of_score(B(x)).store_aligned(lanes);
  return lanes[i];
}

}  // namespace

TEST_CASE("exp_of_score is within 2 ulp below zero") {
  double worst = 0;
  for (float x = -87.29f; x < 0.1f; x += 1e-4f * (1 + std::abs(x) * 0.3f)) {
    const double wanted = std::exp(static_cast<double>(x));
    const double ulp = std::ldexp(1.0, std::ilogb(wanted) - 23);
    const double error = std::abs(lane(x, 0) - wanted) / ulp;
    if (!(error <= worst)) worst = error;
  }
  CHECK(worst < 2);
  for (double x = -700; x < 0.1; x += 0.0137) CHECK(lane(x, 0) == Approx(std::exp(x)).epsilon(1e-14));
}

TEST_CASE("exp_of_score is exact at zero, zero far below and NaN for NaN") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(lane(0.0f, 0) == 1);
  CHECK(lane(-infinity, 0) == 0);
  CHECK(lane(-1e30f, 0) == 0);
  CHECK(lane(-87.4f, 0) == 0);
  CHECK(lane(-87.2f, 0) > 0);
  CHECK(std::isnan(lane(std::numeric_limits<float>::quiet_NaN(), 0)));
  CHECK(lane(0.0, 0) == 1);
  CHECK(lane(-HUGE_VAL, 0) == 0);
  CHECK(std::isnan(lane(std::nan(""), 0)));
}

TEST_CASE("every lane of exp_of_score has the same bits") {
  for (std::size_t i = 0; i < xsimd::batch<float>::size; ++i) CHECK(lane(-1.234f, i) == lane(-1.234f, 0));
}
