// The kernels for Hopper are code for sm_90a only: nvcc compiles this for that architecture, with CLOZE_TEST_CUDA_SM90.
#if defined(CLOZE_CUDA_EMULATOR) || defined(CLOZE_TEST_CUDA_SM90)

#include <thread>

#include <cloze/kernels/cuda/attention.cuh>
#include <cloze/tensor/storage.hpp>

namespace cloze {

/// Cuda with the kernels for Hopper, however short the sequences.
struct Sm90 : Cuda {};
template <>
struct Memory<Sm90> : Memory<Cuda> {};
template <>
struct Transfer<Cpu, Sm90> : Transfer<Cpu, Cuda> {};
template <>
struct Transfer<Sm90, Cpu> : Transfer<Cuda, Cpu> {};

namespace kernels {
template <class T>
void attention_forward(Sm90, const AttentionArgs<T>& a) {
  if (cuda::sm90_takes(a)) cuda::attention_forward_sm90(a);
}
template <class T>
void attention_backward(Sm90, const AttentionBackwardArgs<T>& b) {
  Storage<float, Cuda> dots;
  if (cuda::sm90_takes(b)) cuda::attention_backward_sm90(b, dots);
}
}  // namespace kernels
}  // namespace cloze

#include "cuda/kernels/attention_cases.hpp"
#include "support/catch.hpp"
#include "support/gpu.hpp"

using namespace cloze;
using cloze::test::attention_error;
using cloze::test::attention_name;
using cloze::test::AttentionCase;
using cloze::test::run_attention;

namespace {

constexpr Index unbounded = kernels::AttentionLayout::all;

/// All cases without what the kernels leave to others, and lengths around their tiles of 64, 128 and 192 rows.
std::vector<AttentionCase> sm90_cases() {
  std::vector<AttentionCase> cases;
  for (AttentionCase c : test::attention_cases()) {
    if (c.scale < 0 || test::running_sums(c.queries).back() == 0 || test::running_sums(c.keys).back() == 0) continue;
    c.bias = AttentionCase::none;
    c.p = 0;
    c.odd = 0;
    cases.push_back(c);
  }
  for (const Index size : {64, 128}) {
    cases.push_back({.queries = {1, 63, 64, 65, 0, 127}, .keys = {1, 63, 64, 65, 0, 127}, .size = size});
    cases.push_back({.queries = {128, 129}, .keys = {129, 128}, .heads = 1, .kv_heads = 1, .size = size});
    cases.push_back({.queries = {191, 192, 193, 1}, .keys = {1, 128, 127, 256}, .kv_heads = 1, .size = size});
    cases.push_back({.queries = {130, 256},
                     .keys = {300, 256},
                     .heads = 1,
                     .kv_heads = 1,
                     .size = size,
                     .after = 0,
                     .last_to_last = true});
  }
  // The first queries see nothing.
  cases.push_back(
      {.queries = {300}, .keys = {130}, .heads = 1, .kv_heads = 1, .after = 0, .last_to_last = true, .add = true});
  // Whole tiles that a tile of queries does not see, on both sides.
  cases.push_back({.queries = {385},
                   .keys = {385},
                   .heads = 1,
                   .kv_heads = 1,
                   .before = 20,
                   .after = 30,
                   .last_to_last = true,
                   .fused = true});
  cases.push_back({.queries = {4},
                   .keys = {400},
                   .heads = 1,
                   .kv_heads = 1,
                   .size = 128,
                   .before = 200,
                   .after = 0,
                   .positions = {399, 3, 150, 280}});
  return cases;
}

/// Rows of sequence s, of so many in all.
std::vector<double> of_sequence(const std::vector<double>& values, const std::vector<Index>& lengths, std::size_t s) {
  const auto cu = test::running_sums(lengths);
  const Index columns = static_cast<Index>(values.size()) / cu.back();
  return {values.begin() + cu[s] * columns, values.begin() + cu[s + 1] * columns};
}

}  // namespace

TEMPLATE_TEST_CASE("attention for Hopper agrees with Reference in double to what 16 bits can hold, in any order",
                   "[cuda]", BFloat16, Float16) {
  using T = TestType;
  CLOZE_GPU_OR_SKIP();
  const double ulp = std::same_as<T, BFloat16> ? 0x1p-8 : 0x1p-11;
  double worst = 0;
  int turn = 0;
  for (const AttentionCase& c : sm90_cases()) {
    if (std::same_as<T, Float16> && ++turn % 5 != 0) continue;  // one instruction differs
    INFO(attention_name(c));
    const auto exact = run_attention<double, Reference, T>(c);
    std::vector<test::AttentionResults> runs;
    test::every_order([&] { runs.push_back(run_attention<T, Sm90, T>(c)); });
    worst = std::max(worst, attention_error(runs[0].o, exact.o) / ulp);
    CHECK(attention_error(runs[0].o, exact.o) <= 1.5 * ulp);
    CHECK(attention_error(runs[0].lse, exact.lse) <= 1e-5);
    CHECK(attention_error(runs[0].dq, exact.dq) <= 2 * ulp);
    CHECK(attention_error(runs[0].dk, exact.dk) <= 2 * ulp);
    CHECK(attention_error(runs[0].dv, exact.dv) <= 2 * ulp);
    for (const auto& run : runs) CHECK(attention_error(run, runs[0]) == 0);
  }
  CHECK(worst > 0.1);  // 16 bits they are
}

TEST_CASE("attention for Hopper does not see NaN in the rows of the sequences beside", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index size : {64, 80})
    for (const Index after : {unbounded, Index{0}}) {
      AttentionCase c{.queries = {70, 200, 130},
                      .keys = {130, 200, 70},
                      .heads = 1,
                      .kv_heads = 1,
                      .size = size,
                      .after = after,
                      .last_to_last = true};
      const auto clean = run_attention<BFloat16, Sm90, BFloat16>(c);
      c.poisoned = 1;
      const auto found = run_attention<BFloat16, Sm90, BFloat16>(c);
      for (const std::size_t s : {0, 2}) {
        INFO(attention_name(c) << ", sequence " << s);
        CHECK(of_sequence(found.o, c.queries, s) == of_sequence(clean.o, c.queries, s));
        CHECK(of_sequence(found.lse, c.queries, s) == of_sequence(clean.lse, c.queries, s));
        CHECK(of_sequence(found.dq, c.queries, s) == of_sequence(clean.dq, c.queries, s));
        CHECK(of_sequence(found.dk, c.keys, s) == of_sequence(clean.dk, c.keys, s));
        CHECK(of_sequence(found.dv, c.keys, s) == of_sequence(clean.dv, c.keys, s));
      }
    }
}

TEST_CASE("attention takes the kernels for Hopper where they are wanted, there, and worth it", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const auto chosen = [](Index length, Index size, double p = 0, Index stride = 0, std::uintptr_t data = 1024) {
    const std::vector<Index> cu{0, length, 2 * length};
    kernels::AttentionArgs<BFloat16> a{};
    a.layout = {.sequences = 2,
                .heads = 2,
                .kv_heads = 2,
                .head_size = size,
                .cu_q = cu.data(),
                .cu_k = cu.data(),
                .q_positions = nullptr,
                .last_to_last = false,
                .before = unbounded,
                .after = unbounded,
                .dropout = dropout_rule({p, 1})};
    a.scale = 1;
    a.q = a.k = a.v = reinterpret_cast<const BFloat16*>(data);
    a.q_stride = a.k_stride = a.v_stride = stride ? stride : 2 * size;
    return kernels::cuda::sm90_chosen(a);
  };
  CHECK_FALSE(chosen(256, 64));
  cloze::cuda::use_hopper_attention(true);
  const bool there = kernels::cuda::sm90_compiled();
#ifdef CLOZE_CUDA_EMULATOR
  CHECK(there);
  emulator::faults().no_sm90a = true;
  bool without = true;
  std::thread([&] { without = kernels::cuda::sm90_compiled(); }).join();  // a thread remembers what it saw
  emulator::faults().no_sm90a = false;
  CHECK_FALSE(without);
#endif
  CHECK(chosen(256, 64) == there);
  CHECK(chosen(300, 128) == there);
  CHECK_FALSE(chosen(255, 64));
  CHECK_FALSE(chosen(256, 32));
  CHECK_FALSE(chosen(256, 136));
  CHECK_FALSE(chosen(256, 64, 0.1));
  CHECK_FALSE(chosen(256, 64, 0, 129));
  CHECK_FALSE(chosen(256, 64, 0, 0, 1026));
#if defined(CLOZE_CUDA_EMULATOR) || defined(CLOZE_TEST_CUDA_HALF)  // nvcc takes a minute for the others' kernels
  const AttentionCase c{.queries = {256}, .keys = {256}, .heads = 1, .kv_heads = 1, .size = 128};
  const auto by_choice = run_attention<BFloat16, Cuda, BFloat16>(c);
  cloze::cuda::use_hopper_attention(false);
  const auto by_mma = run_attention<BFloat16, Cuda, BFloat16>(c), by_wgmma = run_attention<BFloat16, Sm90, BFloat16>(c);
  CHECK(attention_error(by_choice, there ? by_wgmma : by_mma) == 0);
  CHECK((attention_error(by_wgmma, by_mma) != 0) == there);
#endif
  cloze::cuda::use_hopper_attention(false);
}

#endif
