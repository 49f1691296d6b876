#include <cloze/autograd/attention.hpp>

#include <limits>

#include "support/packed_sequences.hpp"

using namespace cloze;
using cloze::test::cumulative;
using cloze::test::Lengths;
using cloze::test::relative_error;
using cloze::test::tensor;
using cloze::test::weighted;

namespace {

/// The output and the three gradients of one call.
template <class T, Device D>
std::vector<std::vector<T>> run(const std::vector<std::vector<double>>& inputs, const std::vector<Shape>& shapes,
                                const AttentionOptions& options) {
  std::vector<Tensor<T, D>> x;
  for (std::size_t i = 0; i < 3; ++i) {
    x.push_back(Tensor<T, D>::from(std::vector<T>(inputs[i].begin(), inputs[i].end()), shapes[i]));
    x.back().requires_grad(true);
  }
  const auto y = attention(x[0], x[1], x[2], options);
  weighted(y).backward();
  std::vector<std::vector<T>> results{y.to_vector()};
  for (const auto& t : x) results.push_back(t.grad().to_vector());
  return results;
}

struct Case {
  Lengths queries, keys;
  Index heads, kv_heads, size;
  bool causal = false;
  double p = 0;
};

struct Inputs {
  Lengths cu_q, cu_k;
  std::vector<std::vector<double>> values;
  std::vector<Shape> shapes;
  AttentionOptions options;

  explicit Inputs(const Case& c)
      : cu_q(cumulative(c.queries)),
        cu_k(cumulative(c.keys)),
        shapes{{cu_q.back(), c.heads * c.size}, {cu_k.back(), c.kv_heads * c.size}, {cu_k.back(), c.kv_heads * c.size}},
        options{.heads = c.heads,
                .kv_heads = c.kv_heads,
                .causal = c.causal,
                .dropout = {c.p, 4321},
                .cu_seqlens = cu_k,
                .cu_seqlens_q = cu_q} {
    for (int i = 0; i < 3; ++i) {
      values.push_back(cloze::test::numbers(shapes[i].size(), i + 1));
      for (double& v : values.back()) v = static_cast<float>(v);  // exact in float
    }
  }
  Inputs(const Inputs&) = delete;
};

template <class F>
void with_threads(int threads, F&& f) {
  const int before = num_threads();
  set_num_threads(threads);
  f();
  set_num_threads(before);
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const Index t : {1, 3, 16, 17, 64, 65}) cases.push_back({{t, 2}, {t, 2}, 2, 2, 12});
  for (const Index d : {1, 3, 8, 16, 17, 32, 64, 80, 128}) cases.push_back({{9, 5}, {9, 5}, 2, 1, d});
  cases.push_back({{0, 5, 0, 33, 0}, {0, 5, 0, 33, 0}, 2, 2, 8});
  cases.push_back({{3, 0, 4}, {0, 5, 7}, 2, 2, 8});
  cases.push_back({{1, 2, 200, 3}, {1, 2, 200, 3}, 2, 2, 8});
  cases.push_back({{5, 20}, {130, 3}, 6, 2, 16});
  cases.push_back({{513, 1}, {513, 1}, 2, 2, 8});
  cases.push_back({{70}, {1200}, 2, 1, 20});
  const std::size_t plain = cases.size();
  for (std::size_t i = 0; i < plain; ++i) {
    for (const bool causal : {false, true})
      for (const double p : {0.0, 0.3})
        if (causal || p > 0) {
          Case c = cases[i];
          c.causal = causal;
          c.p = p;
          cases.push_back(c);
        }
  }
  return cases;
}

}  // namespace

TEMPLATE_TEST_CASE("attention has the gradients of its formula", "", Cpu, Reference) {
  using D = TestType;
  for (const bool causal : {false, true})
    for (const double p : {0.0, 0.4}) {
      const Lengths even = cumulative({3, 5}), queries = cumulative({2, 0, 4}), keys = cumulative({3, 2, 3});
      const auto self = [&](const auto& in) {
        return attention(in[0], in[1], in[2], {.heads = 2, .causal = causal, .dropout = {p, 5}, .cu_seqlens = even});
      };
      CLOZE_GRADCHECK(D, self, Shape{8, 6}, Shape{8, 6}, Shape{8, 6});
      const auto cross = [&](const auto& in) {
        return attention(in[0], in[1], in[2],
                         {.heads = 4,
                          .kv_heads = 2,
                          .scale = 0.7,
                          .causal = causal,
                          .dropout = {p, 5},
                          .cu_seqlens = keys,
                          .cu_seqlens_q = queries});
      };
      CLOZE_GRADCHECK(D, cross, Shape{6, 12}, Shape{8, 6}, Shape{8, 6});
      const auto qkv = [&](const auto& in) {
        return attention_qkv(in[0],
                             {.heads = 2, .kv_heads = 1, .causal = causal, .dropout = {p, 5}, .cu_seqlens = even});
      };
      CLOZE_GRADCHECK(D, qkv, Shape{8, 12});
      const auto kv = [&](const auto& in) {
        return attention_kv(
            in[0], in[1],
            {.heads = 2, .causal = causal, .dropout = {p, 5}, .cu_seqlens = keys, .cu_seqlens_q = queries});
      };
      CLOZE_GRADCHECK(D, kv, Shape{6, 6}, Shape{8, 12});
      const Lengths positions{2, 0, 1, 2, 0, 0};
      const auto some = [&](const auto& in) {
        return attention(in[0], in[1], in[2],
                         {.heads = 2,
                          .causal = causal,
                          .dropout = {p, 5},
                          .cu_seqlens = keys,
                          .cu_seqlens_q = queries,
                          .q_positions = positions});
      };
      CLOZE_GRADCHECK(D, some, Shape{6, 6}, Shape{8, 6}, Shape{8, 6});
    }
}

TEMPLATE_TEST_CASE("one tensor may play two roles in attention", "", Cpu, Reference) {
  using D = TestType;
  const Lengths lengths = cumulative({3, 4}), shifted = cumulative({5, 2});
  const AttentionOptions options{.heads = 2, .cu_seqlens = lengths},
      uneven{.heads = 2, .cu_seqlens = lengths, .cu_seqlens_q = shifted};
  for (const auto& o : {options, uneven}) {
    const auto all = [&](const auto& in) { return attention(in[0], in[0], in[0], o); };
    const auto keys_are_values = [&](const auto& in) { return attention(in[0], in[1], in[1], o); };
    const auto queries_are_values = [&](const auto& in) { return attention(in[0], in[1], in[0], o); };
    CLOZE_GRADCHECK(D, all, Shape{7, 6});
    CLOZE_GRADCHECK(D, keys_are_values, Shape{7, 6}, Shape{7, 6});
    CLOZE_GRADCHECK(D, queries_are_values, Shape{7, 6}, Shape{7, 6});
  }
}

TEST_CASE("Cpu attention agrees with Reference for any length, head size, alignment and dropout") {
  for (const Case& c : all_cases()) {
    const Inputs in(c);
    const auto exact = run<double, Reference>(in.values, in.shapes, in.options);
    const auto fast = run<double, Cpu>(in.values, in.shapes, in.options);
    const auto naive = run<float, Reference>(in.values, in.shapes, in.options);
    const auto single = run<float, Cpu>(in.values, in.shapes, in.options);
    for (std::size_t k = 0; k < 4; ++k) {
      INFO("result " << k << ", queries " << c.queries[0] << ", keys " << c.keys[0] << ", size " << c.size
                     << ", causal " << c.causal << ", p " << c.p);
      CHECK(relative_error(fast[k], exact[k]) < 1e-12);
      CHECK(relative_error(single[k], exact[k]) <= 2 * relative_error(naive[k], exact[k]) + 1e-6);
    }
  }
}

TEST_CASE("attention of one key is that key's value") {
  const auto q = tensor<float, Cpu>({3, 8}, 1), k = tensor<float, Cpu>({3, 8}, 2), v = tensor<float, Cpu>({3, 8}, 3);
  const Lengths ones = cumulative({1, 1, 1});
  CHECK(attention(q, k, v, {.heads = 2, .cu_seqlens = ones}).to_vector() == v.to_vector());
}

TEMPLATE_TEST_CASE("causal attention aligns the last query with the last key", "", Cpu, Reference) {
  using D = TestType;
  const Lengths two = cumulative({2}), four = cumulative({4});
  const auto q = Tensor<double, D>::zeros({4, 1}), k = Tensor<double, D>::zeros({4, 1});
  const auto v4 = Tensor<double, D>::from({1, 2, 3, 4}, {4, 1}), v2 = Tensor<double, D>::from({1, 2}, {2, 1});
  const auto few = Tensor<double, D>::zeros({2, 1});
  const auto short_q = attention(few, k, v4, {.heads = 1, .causal = true, .cu_seqlens = four, .cu_seqlens_q = two});
  CHECK(relative_error(short_q.to_vector(), std::vector<double>{2, 2.5}) < 1e-15);
  const auto long_q = attention(q, few, v2, {.heads = 1, .causal = true, .cu_seqlens = two, .cu_seqlens_q = four});
  CHECK(relative_error(long_q.to_vector(), std::vector<double>{0, 0, 1, 1.5}) < 1e-15);
}

TEMPLATE_TEST_CASE("rows that see no key are zero and give zero gradients", "", Cpu, Reference) {
  using D = TestType;
  const Inputs in(Case{{3, 4}, {0, 2}, 2, 2, 4, true});
  const auto results = run<float, D>(in.values, in.shapes, in.options);
  for (Index row = 0; row < 5; ++row)  // all of sequence 0; the first two of sequence 1
    for (Index c = 0; c < 8; ++c) {
      CHECK(results[0][row * 8 + c] == 0);
      CHECK(results[1][row * 8 + c] == 0);
    }
  for (const auto& result : results)
    for (const float value : result) CHECK(std::isfinite(value));
}

TEMPLATE_TEST_CASE("querying some rows gives the bits of the whole, with dropout and gradients to keys", "", Cpu,
                   Reference) {
  using D = TestType;
  const Lengths lengths{20, 7, 70}, cu = cumulative(lengths);
  const Lengths picked{3, 19, 0, 2, 6, 69}, counts{2, 3, 1}, cu_q = cumulative(counts);
  const auto q = tensor<float, D>({97, 32}, 1), k = tensor<float, D>({97, 32}, 2), v = tensor<float, D>({97, 32}, 3);
  for (const bool causal : {false, true})
    for (const double p : {0.0, 0.5}) {
      const AttentionOptions whole{.heads = 2, .causal = causal, .dropout = {p, 8}, .cu_seqlens = cu};
      const auto full = attention(q, k, v, whole).to_vector();
      std::vector<float> some_q, wanted;
      std::size_t at = 0;
      for (std::size_t s = 0; s < 3; ++s)
        for (Index n = 0; n < counts[s]; ++n, ++at)
          for (Index c = 0; c < 32; ++c) {
            some_q.push_back(q.to_vector()[(cu[s] + picked[at]) * 32 + c]);
            wanted.push_back(full[(cu[s] + picked[at]) * 32 + c]);
          }
      AttentionOptions some = whole;
      some.cu_seqlens_q = cu_q;
      some.q_positions = picked;
      CHECK(attention(Tensor<float, D>::from(some_q, {6, 32}), k, v, some).to_vector() == wanted);
    }
}

TEST_CASE("fused buffers give the bits of separate tensors") {
  const Lengths cu = cumulative({9, 40});
  const auto qkv = tensor<float, Cpu>({49, 3 * 24}, 1);
  std::vector<float> parts[3];
  for (Index r = 0; r < 49; ++r)
    for (Index c = 0; c < 72; ++c) parts[c / 24].push_back(qkv.to_vector()[r * 72 + c]);
  std::vector<Tensor<float>> x;
  for (const auto& part : parts) x.push_back(Tensor<float>::from(part, {49, 24}));
  const AttentionOptions options{.heads = 3, .dropout = {0.1, 2}, .cu_seqlens = cu};
  CHECK(attention_qkv(qkv, options).to_vector() == attention(x[0], x[1], x[2], options).to_vector());
}

TEST_CASE("attention gives the same bits for any number of threads, forward and backward") {
  for (const Case& c : {Case{{100, 3, 0, 64, 17}, {100, 3, 0, 64, 17}, 3, 3, 24, false, 0.1},
                        Case{{300}, {700}, 2, 1, 16, true, 0.1}, Case{{130, 70}, {130, 70}, 4, 2, 8}}) {
    const Inputs in(c);
    std::vector<std::vector<float>> results[2];
    for (const int threads : {1, 2})
      with_threads(threads, [&] { results[threads - 1] = run<float, Cpu>(in.values, in.shapes, in.options); });
    CHECK(results[0] == results[1]);
  }
}

TEST_CASE("both devices drop the same probabilities, as many as they say") {
  const Index t = 200;  // equal scores and the identity as values: the output shows every probability
  const Lengths cu = cumulative({t});
  std::vector<double> identity(t * t);
  for (Index i = 0; i < t; ++i) identity[i * t + i] = 1;
  const auto zeros = Tensor<double>::zeros({t, t}), values = Tensor<double>::from(identity, {t, t});
  for (const double p : {0.1, 0.5}) {
    const AttentionOptions options{.heads = 1, .dropout = {p, 31}, .cu_seqlens = cu};
    const auto y = attention(zeros, zeros, values, options).to_vector();
    const auto slow =
        attention(zeros.to<Reference>(), zeros.to<Reference>(), values.to<Reference>(), options).to_vector();
    double kept = 0, sum = 0;
    Index equal = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      kept += y[i] != 0;
      sum += y[i];
      equal += (y[i] != 0) == (slow[i] != 0);
    }
    const double n = static_cast<double>(t * t), deviation = std::sqrt(p * (1 - p) / n);
    CHECK(equal == t * t);
    CHECK(std::abs(kept / n - (1 - p)) < 4 * deviation);
    CHECK(std::abs(sum / static_cast<double>(t) - 1) < 4 * deviation / (1 - p));
  }
}

TEST_CASE("heads, sequences and keys of dropout draw differently") {
  const Index t = 64;
  const Lengths cu = cumulative({t, t});
  std::vector<double> identity;
  for (Index r = 0; r < 2 * t; ++r)
    for (Index c = 0; c < 2 * t; ++c) identity.push_back(r % t == c % t);
  const auto zeros = Tensor<double>::zeros({2 * t, 2 * t}), values = Tensor<double>::from(identity, {2 * t, 2 * t});
  const auto y = attention(zeros, zeros, values, {.heads = 2, .dropout = {0.5, 1}, .cu_seqlens = cu}).to_vector();
  const auto other = attention(zeros, zeros, values, {.heads = 2, .dropout = {0.5, 2}, .cu_seqlens = cu}).to_vector();
  const auto same = [&](const std::vector<double>& b, Index row, Index column) {  // of the first block and another's
    double agree = 0;
    for (Index i = 0; i < t; ++i)
      for (Index j = 0; j < t; ++j) agree += (y[i * 2 * t + j] != 0) == (b[(row + i) * 2 * t + column + j] != 0);
    return agree / static_cast<double>(t * t);
  };
  for (const double share : {same(y, 0, t), same(y, t, 0), same(other, 0, 0)})
    CHECK(std::abs(share - 0.5) < 4 * 0.5 / t);
}

TEMPLATE_TEST_CASE("a NaN in one sequence never reaches another", "", Cpu, Reference) {
  using D = TestType;
  const Lengths cu = cumulative({5, 20, 3});
  for (int which = 0; which < 3; ++which) {
    std::vector<Tensor<float, D>> x;
    for (int i = 0; i < 3; ++i) {
      auto values = cloze::test::numbers(28 * 8, i + 1);
      if (i == which) values[12 * 8 + 3] = std::numeric_limits<double>::quiet_NaN();
      x.push_back(Tensor<float, D>::from(std::vector<float>(values.begin(), values.end()), {28, 8}));
      x.back().requires_grad(true);
    }
    const auto y = attention(x[0], x[1], x[2], {.heads = 2, .dropout = {0.2, 4}, .cu_seqlens = cu});
    weighted(y).backward();
    const auto outside = [](const std::vector<float>& values) {
      bool clean = true, poisoned = false;
      for (Index i = 0; i < 28 * 8; ++i) {
        if (i / 8 < 5 || i / 8 >= 25) {
          clean = clean && !std::isnan(values[i]);
        } else {
          poisoned = poisoned || std::isnan(values[i]);
        }
      }
      return clean && poisoned;
    };
    CHECK(outside(y.to_vector()));
    CHECK(outside(x[0].grad().to_vector()));
  }
}

TEST_CASE("huge scores stay finite") {
  auto q = Tensor<float>::full({4, 8}, 1e4f), k = Tensor<float>::full({4, 8}, 1e4f), v = tensor<float, Cpu>({4, 8}, 3);
  k.data()[0] = -1e4f;
  const Lengths cu = cumulative({4});
  q.requires_grad(true);
  const auto y = attention(q, k, v, {.heads = 1, .cu_seqlens = cu});
  weighted(y).backward();
  for (const float value : y.to_vector()) CHECK(std::isfinite(value));
  for (const float value : q.grad().to_vector()) CHECK(std::isfinite(value));
}

TEST_CASE("a second backward adds to the leaves") {
  const Lengths cu = cumulative({6, 40});
  auto qkv = tensor<float, Cpu>({46, 48}, 1);
  qkv.requires_grad(true);
  const AttentionOptions options{.heads = 2, .dropout = {0.1, 2}, .cu_seqlens = cu};
  weighted(attention_qkv(qkv, options)).backward();
  const auto once = qkv.grad().to_vector();
  weighted(attention_qkv(qkv, options)).backward();
  const auto twice = qkv.grad().to_vector();
  for (std::size_t i = 0; i < once.size(); ++i) CHECK(twice[i] == 2 * once[i]);
}

TEMPLATE_TEST_CASE("gradients go only where they are wanted", "", Cpu, Reference) {
  using D = TestType;
  const Lengths cu = cumulative({3, 4});
  for (int wanted = 0; wanted < 3; ++wanted) {
    std::vector<Tensor<double, D>> x;
    for (int i = 0; i < 3; ++i) x.push_back(tensor<double, D>({7, 6}, i));
    x[wanted].requires_grad(true);
    weighted(attention(x[0], x[1], x[2], {.heads = 2, .cu_seqlens = cu})).backward();
    for (int i = 0; i < 3; ++i) CHECK(x[i].has_grad() == (i == wanted));
    std::vector<Tensor<double, D>> y;
    for (int i = 0; i < 3; ++i) {
      y.push_back(tensor<double, D>({7, 6}, i));
      y.back().requires_grad(true);
    }
    weighted(attention(y[0], y[1], y[2], {.heads = 2, .cu_seqlens = cu})).backward();
    CHECK(relative_error(x[wanted].grad().to_vector(), y[wanted].grad().to_vector()) < 1e-14);
  }
}

TEMPLATE_TEST_CASE("no sequences and empty sequences pass through attention", "", Cpu, Reference) {
  using D = TestType;
  const auto none = Tensor<float, D>::empty({0, 6});
  const Lengths zero{0}, empty{0, 0, 0}, three{0, 3};
  CHECK(attention(none, none, none, {.heads = 2, .cu_seqlens = zero}).shape() == Shape{0, 6});
  CHECK(attention(none, none, none, {.heads = 2, .cu_seqlens = empty}).shape() == Shape{0, 6});
  auto k = tensor<float, D>({3, 6});
  k.requires_grad(true);
  const Lengths no_query{0, 0};
  weighted(attention(none, k, k.detach(), {.heads = 2, .cu_seqlens = three, .cu_seqlens_q = no_query})).backward();
  CHECK((!k.has_grad() || k.grad().to_vector() == std::vector<float>(18, 0.0f)));
}

TEST_CASE("attention names itself where shapes, lengths or positions do not fit") {
  const auto x = tensor<float, Cpu>({5, 6}), wide = tensor<float, Cpu>({5, 18}), other = tensor<float, Cpu>({5, 7});
  const Lengths cu{0, 2, 5}, late{1, 2, 5}, falling{0, 4, 3, 5}, short_of{0, 4}, none, one{0, 5};
  REQUIRE_ERROR(attention(x, x, other, {.heads = 2, .cu_seqlens = cu}), "cloze.attention.1");
  REQUIRE_ERROR(attention(x, x, x, {.heads = 4, .cu_seqlens = cu}), "cloze.attention.1");
  REQUIRE_ERROR(attention(x, x, x, {.heads = 0, .cu_seqlens = cu}), "cloze.attention.1");
  REQUIRE_ERROR(attention(x, x, x, {.heads = -2, .cu_seqlens = cu}), "cloze.attention.1");
  REQUIRE_ERROR(attention(x, x, x, {.heads = 3, .kv_heads = 2, .cu_seqlens = cu}), "cloze.attention.1");
  REQUIRE_ERROR(attention(x, x, x, {.heads = 2, .scale = HUGE_VAL, .cu_seqlens = cu}), "cloze.attention.1");
  REQUIRE_ERROR(attention_qkv(other, {.heads = 2, .cu_seqlens = cu}), "cloze.attention.1");
  REQUIRE_ERROR(attention_qkv(wide, {.heads = 0, .cu_seqlens = cu}), "cloze.attention.1");
  REQUIRE_ERROR(attention_kv(x, wide, {.heads = 2, .cu_seqlens = cu}), "cloze.attention.1");
  for (const Lengths* bad : {&late, &falling, &short_of, &none})
    REQUIRE_ERROR(attention(x, x, x, {.heads = 2, .cu_seqlens = *bad}), "cloze.attention.2");
  REQUIRE_ERROR(attention(x, x, x, {.heads = 2, .cu_seqlens = cu, .cu_seqlens_q = one}), "cloze.attention.2");
  const Lengths few{0, 1}, negative{0, 1, 0, -1, 2}, past{0, 1, 0, 1, 3}, good{1, 1, 0, 1, 2};
  REQUIRE_ERROR(attention(x, x, x, {.heads = 2, .cu_seqlens = cu, .q_positions = few}), "cloze.attention.3");
  REQUIRE_ERROR(attention(x, x, x, {.heads = 2, .cu_seqlens = cu, .q_positions = negative}), "cloze.attention.3");
  REQUIRE_ERROR(attention(x, x, x, {.heads = 2, .causal = true, .cu_seqlens = cu, .q_positions = past}),
                "cloze.attention.3");
  CHECK(attention(x, x, x, {.heads = 2, .causal = true, .cu_seqlens = cu, .q_positions = good}).shape() == Shape{5, 6});
  REQUIRE_ERROR(attention(x, x, x, {.heads = 2, .dropout = {1.0, 1}, .cu_seqlens = cu}), "cloze.dropout.1");
}
