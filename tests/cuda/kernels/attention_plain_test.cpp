#include "cuda/kernels/attention_cases.hpp"

#include "support/catch.hpp"
#include "support/gpu.hpp"

using namespace cloze;
using cloze::test::attention_error;
using cloze::test::attention_name;
using cloze::test::AttentionCase;
using cloze::test::run_attention;

TEST_CASE("attention on Cuda agrees with Reference in double and in float", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const AttentionCase& c : test::attention_cases()) {
    INFO(attention_name(c));
    const auto exact = run_attention<double, Reference, float>(c);
    CHECK(attention_error(run_attention<double, Cuda, float>(c), exact) < 2e-13);
    const double naive = attention_error(run_attention<float, Reference, float>(c), exact);
    // A gradient of a score is a difference of sums over a head, in another order than the formula's.
    CHECK(attention_error(run_attention<float, Cuda, float>(c), exact) <= 3 * naive + 3e-5);
  }
}

TEST_CASE("attention on Cuda has the same bits in any order of threads and blocks", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const AttentionCase& c : test::attention_cases()) {
    std::vector<test::AttentionResults> runs;
    test::every_order([&] { runs.push_back(run_attention<float, Cuda, float>(c)); });
    INFO(attention_name(c));
    for (const auto& run : runs) CHECK(attention_error(run, runs[0]) == 0);
  }
}

TEST_CASE("attention on Cuda says which head size and how many rows it takes", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  REQUIRE_ERROR((run_attention<float, Cuda, float>({.queries = {2}, .keys = {2}, .size = 129})), "cloze.attention.7");
  const std::vector<Index> cu{0, Index{1} << 31};
  kernels::AttentionArgs<float> a{};
  a.layout = {.sequences = 1,
              .heads = 1,
              .kv_heads = 1,
              .head_size = 8,
              .cu_q = cu.data(),
              .cu_k = cu.data(),
              .q_positions = nullptr,
              .last_to_last = false,
              .before = 0,
              .after = 0,
              .dropout = {}};
  REQUIRE_ERROR(kernels::attention_forward(Cuda{}, a), "cloze.attention.6");
}

TEST_CASE("attention on Cuda: queries that see only keys of score minus infinity become zero, NaN stays where it is",
          "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const std::vector<Index> cu{0, 2, 4}, pairs{0, 4};
  const Index size = 8;
  const float infinite = std::numeric_limits<float>::infinity();
  std::vector<float> x(4 * size, 0.5f);
  x[0] = NAN;  // of the first sequence
  const test::There<float, Cuda> q(x), bias(std::vector<float>{0, 0, 0, 0, -infinite, -infinite, 0, -infinite}),
      o(std::vector<float>(4 * size, 7)), lse(std::vector<float>(4, 7));
  kernels::AttentionArgs<float> a{};
  a.layout = {.sequences = 2,
              .heads = 1,
              .kv_heads = 1,
              .head_size = size,
              .cu_q = cu.data(),
              .cu_k = cu.data(),
              .q_positions = nullptr,
              .last_to_last = false,
              .before = kernels::AttentionLayout::all,
              .after = kernels::AttentionLayout::all,
              .dropout = {}};
  a.scale = 1;
  a.q = a.k = a.v = q.data();
  a.q_stride = a.k_stride = a.v_stride = a.o_stride = size;
  a.bias = {.values = bias.data(), .columns = 8, .pairs = pairs.data()};
  a.o = o.data();
  a.lse = lse.data();
  kernels::attention_forward(Cuda{}, a);
  const auto found = o.back();
  CHECK(std::isnan(found[0]));
  CHECK(std::isnan(found[size + 1]));
  for (Index c = 0; c < size; ++c) {
    CHECK(found[static_cast<std::size_t>(2 * size + c)] == 0);
    CHECK(found[static_cast<std::size_t>(3 * size + c)] == 0.5f);
  }
  CHECK(lse.back()[2] == infinite);
}
