#include <cloze/kernels/attention.hpp>

#include <vector>

#include "support/gradcheck.hpp"

using namespace cloze;
using namespace cloze::kernels;

namespace {

/// Sequences of the given lengths, in matrices with row strides wider than their rows.
template <class T>
struct Problem {
  std::vector<Index> cu_q{0}, cu_k{0};
  AttentionLayout layout;
  Index q_stride, k_stride;
  std::vector<T> q, k, v, grad_o, before;

  Problem(const std::vector<Index>& queries, const std::vector<Index>& keys, Index heads, Index kv_heads, Index size,
          double dropout) {
    for (const Index n : queries) cu_q.push_back(cu_q.back() + n);
    for (const Index n : keys) cu_k.push_back(cu_k.back() + n);
    layout = {.sequences = static_cast<Index>(queries.size()),
              .heads = heads,
              .kv_heads = kv_heads,
              .head_size = size,
              .cu_q = cu_q.data(),
              .cu_k = cu_k.data(),
              .q_positions = nullptr,
              .last_to_last = false,
              .before = AttentionLayout::all,
              .after = AttentionLayout::all,
              .dropout = dropout_rule({dropout, 77})};
    q_stride = heads * size + 5;
    k_stride = kv_heads * size + 3;
    q = values(cu_q.back() * q_stride, 1);
    k = values(cu_k.back() * k_stride, 2);
    v = values(cu_k.back() * k_stride, 3);
    grad_o = values(cu_q.back() * q_stride, 4);
    before = values(std::max(cu_q.back() * q_stride, cu_k.back() * k_stride), 5);
  }
  static std::vector<T> values(Index size, int seed) {
    const auto numbers = cloze::test::numbers(static_cast<std::size_t>(std::max<Index>(1, size)), seed);
    return {numbers.begin(), numbers.end()};
  }
};

template <class T>
struct Answer {
  std::vector<T> o, lse, dq, dk, dv;
};

/// Both passes by the given kernels; gradients are added to what is there, or written, or left out.
template <class T, class Forward, class Backward>
Answer<T> solve(const Problem<T>& p, bool add, bool with_dq, bool with_dk, Forward forward, Backward backward) {
  const AttentionLayout& l = p.layout;
  Answer<T> r{std::vector<T>(p.q.size(), T(9)), std::vector<T>(static_cast<std::size_t>(p.cu_q.back() * l.heads + 1)),
              p.before, p.before, p.before};
  const AttentionArgs<T> a{.layout = l,
                           .scale = T(0.3),
                           .q = p.q.data(),
                           .q_stride = p.q_stride,
                           .k = p.k.data(),
                           .k_stride = p.k_stride,
                           .v = p.v.data(),
                           .v_stride = p.k_stride,
                           .bias = {},
                           .o = r.o.data(),
                           .o_stride = p.q_stride,
                           .lse = r.lse.data()};
  forward(a);
  backward(AttentionBackwardArgs<T>{.forward = a,
                                    .grad_o = p.grad_o.data(),
                                    .dq = {with_dq ? r.dq.data() : nullptr, add},
                                    .dk = {with_dk ? r.dk.data() : nullptr, add},
                                    .dv = {r.dv.data(), add},
                                    .dbias = {}});
  return r;
}

template <class T>
Answer<T> on_cpu(const Problem<T>& p, bool add = false, bool with_dq = true, bool with_dk = true) {
  return solve(
      p, add, with_dq, with_dk, [](const auto& a) { attention_forward(Cpu{}, a); },
      [](const auto& b) { attention_backward(Cpu{}, b); });
}

template <class T>
Answer<T> on_reference(const Problem<T>& p, bool add, bool with_dq, bool with_dk) {
  return solve(
      p, add, with_dq, with_dk, [](const auto& a) { attention_forward(Reference{}, a); },
      [](const auto& b) { attention_backward(Reference{}, b); });
}

template <class T>
void check_equal(const Answer<T>& a, const Answer<T>& b, double tolerance) {
  CHECK(cloze::test::relative_error(a.o, b.o) < tolerance);
  CHECK(cloze::test::relative_error(a.lse, b.lse) < tolerance);
  CHECK(cloze::test::relative_error(a.dq, b.dq) < tolerance);
  CHECK(cloze::test::relative_error(a.dk, b.dk) < tolerance);
  CHECK(cloze::test::relative_error(a.dv, b.dv) < tolerance);
}

}  // namespace

TEMPLATE_TEST_CASE("attention over few keys is that of Reference, written or added, with all gradients or some", "",
                   float, double) {
  using T = TestType;
  const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-13;
  const std::vector<Index> lengths{1, 2, 16, 17, 31, 33, 63, 64}, others{64, 3, 1, 40, 0, 13, 64, 5};
  int round = 0;
  for (const Index size : {32, 64, 96})
    for (const Index kv_heads : {1, 2, 4})
      for (const double dropout : {0.0, 0.3}) {
        const Problem<T> problem(lengths, round % 2 ? others : lengths, 4, kv_heads, size, dropout);
        REQUIRE(kernels::detail::attention_is_small(
            AttentionArgs<T>{problem.layout, T(1), nullptr, 0, nullptr, 0, nullptr, 0, {}, nullptr, 0, nullptr}, 0));
        const bool add = round % 3 == 1, dq = round % 4 != 2, dk = round % 4 != 3;
        ++round;
        INFO("head size " << size << ", key heads " << kv_heads << ", dropout " << dropout << ", add " << add);
        check_equal(on_cpu(problem, add, dq, dk), on_reference(problem, add, dq, dk), tolerance);
      }
}

TEMPLATE_TEST_CASE("attention over few keys and over many agree, and drop the same", "", float, double) {
  using T = TestType;
  const Problem<T> problem({5, 48, 64}, {5, 48, 64}, 2, 2, 64, 0.2);
  const auto general = solve(
      problem, false, true, true,
      [&](const AttentionArgs<T>& a) {
        for (Index s = 0; s < 3; ++s)
          for (Index h = 0; h < 2; ++h)
            kernels::detail::attention_forward_task(a, {s, h, 0, a.layout.queries(s), 0, a.layout.keys(s), 1});
      },
      [&](const AttentionBackwardArgs<T>& b) {
        const kernels::detail::BiasSums<T> sums(b);
        for (Index s = 0; s < 3; ++s)
          for (Index h = 0; h < 2; ++h)
            kernels::detail::attention_backward_task(
                b, {s, h, 0, b.forward.layout.queries(s), 0, b.forward.layout.keys(s), 1}, sums,
                static_cast<T*>(nullptr), false);
      });
  check_equal(on_cpu(problem), general, sizeof(T) == 4 ? 1e-6 : 1e-14);
}

TEST_CASE("attention over few keys gives the same bits for any number of threads") {
  const int before = num_threads();
  const Problem<float> problem({64, 3, 10, 60}, {64, 3, 10, 50}, 2, 1, 64, 0.1);
  set_num_threads(1);
  const auto wanted = on_cpu(problem);
  for (const int threads : {2, 3, 8, 64}) {
    set_num_threads(threads);
    const auto found = on_cpu(problem);
    CHECK(found.o == wanted.o);
    CHECK(found.dq == wanted.dq);
    CHECK(found.dk == wanted.dk);
    CHECK(found.dv == wanted.dv);
  }
  set_num_threads(before);
}

TEST_CASE("sequences too long, heads of odd sizes, windows and biases take the general way") {
  const Problem<float> problem({64, 65, 3}, {64, 64, 65}, 1, 1, 64, 0);
  AttentionArgs<float> a{problem.layout, 1, nullptr, 0, nullptr, 0, nullptr, 0, {}, nullptr, 0, nullptr};
  const auto small = [&](Index s) { return kernels::detail::attention_is_small(a, s); };
  CHECK(small(0));
  CHECK(!small(1));
  CHECK(!small(2));
  a.layout.head_size = 63;
  CHECK(!small(0));
  a.layout.head_size = 64;
  a.layout.after = 0;
  CHECK(!small(0));
  a.layout.after = AttentionLayout::all;
  const float bias = 0;
  a.bias = {&bias, 1, nullptr};
  CHECK(!small(0));
}
