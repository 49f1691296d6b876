#include <cloze/kernels/cpu/dropout_bits.hpp>

#include <vector>

#include "support/catch.hpp"

using namespace cloze;
using namespace cloze::kernels;

TEST_CASE("sixteen Philox calls side by side are sixteen Philox calls") {
  for (const std::uint32_t first : {0u, 16u, 0x12345670u, 0xFFFFFFF0u, 0xFFFFFFF8u})
    for (const std::array<std::uint32_t, 2> key : {std::array<std::uint32_t, 2>{0, 0}, {0xDEADBEEFu, 0xFFFFFFFFu}}) {
      PhiloxLanes lanes;
      philox_lanes(first, 0xFFFFFFFFu, 7, 0x80000001u, key, lanes);
      for (std::uint32_t i = 0; i < PhiloxLanes::lanes; ++i) {
        const auto wanted = philox4x32<dropout_rounds>({first + i, 0xFFFFFFFFu, 7, 0x80000001u}, key);
        for (std::size_t w = 0; w < 4; ++w) CHECK(lanes.word[w][i] == wanted[w]);
      }
    }
}

TEMPLATE_TEST_CASE("a row's factors are its decisions, one by one", "", float, double) {
  using T = TestType;
  const Index columns = 300;
  for (const double p : {0.1, 0.5, 0.999})
    for (const Index row : {Index{0}, Index{5}, Index{1} << 40}) {
      const DropoutRule rule = dropout_rule({p, 0x0123456789ABCDEFu});
      std::vector<T> factors(static_cast<std::size_t>(row_factors_size(columns)));
      row_dropout_factors(rule, row, columns, factors.data());
      bool same = true;
      for (Index c = 0; c < columns; ++c)
        same = same && factors[c] == (RowDropout::keeps(rule, row, c) ? static_cast<T>(rule.scale) : T(0));
      CHECK(same);
    }
}

TEST_CASE("kept values are scaled by the true keep probability") {
  CHECK(dropout_rule({0.5, 0}).scale == 2);
  CHECK(dropout_rule({0.5, 0}).threshold == 32768);
  const DropoutRule tenth = dropout_rule({0.1, 0});
  CHECK(tenth.scale * tenth.threshold == Approx(65536).epsilon(1e-15));
  CHECK_FALSE(dropout_rule({0, 0}).active());
  CHECK_FALSE(dropout_rule({1e-9, 0}).active());
  CHECK(dropout_rule({1 - 1e-12, 0}).threshold == 1);
}
