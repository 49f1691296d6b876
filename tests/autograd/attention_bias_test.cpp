#include <cloze/autograd/attention.hpp>

#include <limits>

#include "support/packed_sequences.hpp"

using namespace cloze;
using cloze::test::cumulative;
using cloze::test::Lengths;
using cloze::test::numbers;
using cloze::test::relative_error;
using cloze::test::tensor;
using cloze::test::weighted;

namespace {

/// Largest difference, relative to the largest wanted value or to 1: a window of one key has gradients of 0.
template <class A, class B>
double difference(std::vector<A> found, std::vector<B> wanted) {
  found.push_back(1);
  wanted.push_back(1);
  return relative_error(found, wanted);
}

enum class Bias { none, distance, pair };

struct Case {
  Lengths queries, keys;
  Index heads = 2, kv_heads = 2, size = 8;
  Bias bias = Bias::none;
  Index reach = 3;
  bool causal = false;
  AttentionWindow window = {};
  double p = 0;
  Lengths positions = {};
};

/// The output and the gradients of q, k, v and the bias.
template <class T, Device D>
std::vector<std::vector<T>> run(const Case& c) {
  const Lengths cu_q = cumulative(c.queries), cu_k = cumulative(c.keys);
  Index pairs = 0;
  for (std::size_t s = 0; s < c.queries.size(); ++s) pairs += c.queries[s] * c.keys[s];
  const auto make = [](Shape shape, int seed) {
    auto values = numbers(shape.size(), seed);
    for (double& v : values) v = static_cast<float>(v);
    auto x = Tensor<T, D>::from(std::vector<T>(values.begin(), values.end()), shape);
    x.requires_grad(true);
    return x;
  };
  std::vector<Tensor<T, D>> x{make({cu_q.back(), c.heads * c.size}, 1), make({cu_k.back(), c.kv_heads * c.size}, 2),
                              make({cu_k.back(), c.kv_heads * c.size}, 3)};
  AttentionBias<T, D> bias;
  if (c.bias == Bias::distance) x.push_back(bias.by_distance = make({c.heads, 2 * c.reach + 1}, 4));
  if (c.bias == Bias::pair) x.push_back(bias.by_pair = make({c.heads, pairs}, 4));
  const auto y = attention(x[0], x[1], x[2],
                           {.heads = c.heads,
                            .kv_heads = c.kv_heads,
                            .causal = c.causal,
                            .window = c.window,
                            .dropout = {c.p, 4321},
                            .cu_seqlens = cu_k,
                            .cu_seqlens_q = cu_q,
                            .q_positions = c.positions},
                           bias);
  weighted(y).backward();
  std::vector<std::vector<T>> results{y.to_vector()};
  for (const auto& t : x) results.push_back(t.grad().to_vector());
  return results;
}

const std::vector<AttentionWindow> windows{{}, {0, 0}, {2, 1}, {.left = 5}, {.right = 3}, {70, 40}};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const std::vector<std::pair<Lengths, Lengths>> lengths{{{1, 3, 16}, {1, 3, 16}},
                                                         {{17, 0, 65}, {17, 0, 65}},
                                                         {{3, 20, 2}, {9, 5, 0}},
                                                         {{130, 7}, {130, 7}},
                                                         {{70}, {700}}};
  int turn = 0;
  for (const auto& [queries, keys] : lengths)
    for (const auto& window : windows)
      for (const Bias bias : {Bias::none, Bias::distance, Bias::pair}) {
        ++turn;  // every value of the rest with some of these
        cases.push_back({.queries = queries,
                         .keys = keys,
                         .heads = 4,
                         .kv_heads = turn % 2 ? 4 : 2,
                         .size = turn % 3 ? 8 : 5,
                         .bias = bias,
                         .reach = turn % 4 == 0   ? 0
                                  : turn % 4 == 1 ? 3
                                  : turn % 4 == 2 ? 40
                                                  : 900,
                         .causal = turn % 5 < 2,
                         .window = window,
                         .p = turn % 7 < 3 ? 0.3 : 0});
      }
  cases.push_back({.queries = {1300},
                   .keys = {1300},
                   .heads = 1,
                   .kv_heads = 1,
                   .bias = Bias::distance,
                   .reach = 128,
                   .window = {100, 30}});
  cases.push_back({.queries = {3, 2},
                   .keys = {20, 9},
                   .bias = Bias::distance,
                   .window = {4, 2},
                   .p = 0.3,
                   .positions = {0, 19, 7, 8, 3}});
  cases.push_back({.queries = {2}, .keys = {5}, .bias = Bias::pair, .window = {4, 2}, .positions = {2, 100}});
  return cases;
}

template <class F>
void with_threads(int threads, F&& f) {
  const int before = num_threads();
  set_num_threads(threads);
  f();
  set_num_threads(before);
}

}  // namespace

TEMPLATE_TEST_CASE("attention with a bias, within a window, has the gradients of its formula", "", Cpu, Reference) {
  using D = TestType;
  const Lengths even = cumulative({3, 5}), queries = cumulative({2, 0, 4}), keys = cumulative({3, 2, 3});
  const Lengths positions{2, 0, 1, 2, 0, 0};
  int turn = 0;
  for (const AttentionWindow window : {AttentionWindow{}, AttentionWindow{1, 1}, AttentionWindow{.left = 2}})
    for (const bool causal : {false, true})
      for (const double p : {0.0, 0.4}) {
        const AttentionOptions self{.heads = 2,
                                    .kv_heads = ++turn % 2 + 1,
                                    .causal = causal,
                                    .window = window,
                                    .dropout = {p, 5},
                                    .cu_seqlens = even};
        const auto by_distance = [&](const auto& in) {
          return attention(in[0], in[1], in[2], self, {.by_distance = in[3], .by_pair = {}});
        };
        const Index kv = self.kv_heads * 3;
        CLOZE_GRADCHECK(D, by_distance, Shape{8, 6}, Shape{8, kv}, Shape{8, kv}, Shape{2, 5});
        const auto by_pair = [&](const auto& in) {
          return attention(in[0], in[1], in[2], self, {.by_distance = {}, .by_pair = in[3]});
        };
        CLOZE_GRADCHECK(D, by_pair, Shape{8, 6}, Shape{8, kv}, Shape{8, kv}, Shape{2, 34});
        AttentionOptions cross{.heads = 2,
                               .causal = causal,
                               .window = window,
                               .dropout = {p, 5},
                               .cu_seqlens = keys,
                               .cu_seqlens_q = queries};
        const auto fused = [&](const auto& in) {
          return attention_kv(in[0], in[1], cross, {.by_distance = in[2], .by_pair = {}});
        };
        CLOZE_GRADCHECK(D, fused, Shape{6, 6}, Shape{8, 12}, Shape{2, 3});
        cross.q_positions = positions;
        CLOZE_GRADCHECK(D, fused, Shape{6, 6}, Shape{8, 12}, Shape{2, 3});
        const Lengths tiny = cumulative({2, 1});  // one tensor in all roles
        AttentionOptions small = self;
        small.cu_seqlens = tiny;
        small.heads = small.kv_heads = 3;
        const auto roles = [&](const auto& in) {
          return attention(in[0], in[0], in[0], small, {.by_distance = in[0], .by_pair = {}});
        };
        CLOZE_GRADCHECK(D, roles, Shape{3, 3});
      }
}

TEST_CASE("Cpu attention agrees with Reference for any bias and window") {
  for (const Case& c : all_cases()) {
    const auto exact = run<double, Reference>(c);
    const auto fast = run<double, Cpu>(c);
    const auto naive = run<float, Reference>(c);
    const auto single = run<float, Cpu>(c);
    for (std::size_t k = 0; k < exact.size(); ++k) {
      INFO("result " << k << ", queries " << c.queries[0] << ", keys " << c.keys[0] << ", bias "
                     << static_cast<int>(c.bias) << ", reach " << c.reach << ", causal " << c.causal << ", window "
                     << c.window.left << ' ' << c.window.right << ", p " << c.p);
      CHECK(difference(fast[k], exact[k]) < 1e-13);
      CHECK(difference(single[k], exact[k]) <= 3 * difference(naive[k], exact[k]) + 3e-6);
    }
  }
}

TEMPLATE_TEST_CASE("a window is a bias of minus infinity outside of it", "", Cpu, Reference) {
  using D = TestType;
  const double hidden = -std::numeric_limits<double>::infinity();
  for (const auto& [queries, keys] : {std::pair<Index, Index>{9, 9}, {4, 7}, {7, 4}, {80, 80}})
    for (const auto& window : windows)
      for (const bool causal : {false, true}) {
        const Lengths cu_q = cumulative({queries}), cu_k = cumulative({keys});
        const auto q = tensor<double, D>({queries, 4}, 1), k = tensor<double, D>({keys, 4}, 2),
                   v = tensor<double, D>({keys, 4}, 3);
        std::vector<double> values;
        for (Index i = 0; i < queries; ++i)
          for (Index j = 0; j < keys; ++j) {  // bottom-right: the last query stands at the last key
            const Index distance = j - (i + keys - queries);
            const bool sees = distance >= -window.left && distance <= window.right && (!causal || distance <= 0);
            values.push_back(sees || (window.left > 100 && window.right > 100 && !causal) ? 0 : hidden);
          }
        const AttentionBias<double, D> bias{{}, Tensor<double, D>::from(values, {1, queries * keys})};
        const auto masked = attention(q, k, v, {.heads = 1, .cu_seqlens = cu_k, .cu_seqlens_q = cu_q}, bias);
        const auto windowed = attention(
            q, k, v, {.heads = 1, .causal = causal, .window = window, .cu_seqlens = cu_k, .cu_seqlens_q = cu_q});
        CHECK(relative_error(windowed.to_vector(), masked.to_vector()) < 1e-13);
      }
}

TEMPLATE_TEST_CASE("a bias by distance is one by pair, equal along diagonals and clamped at its ends", "", Cpu,
                   Reference) {
  using D = TestType;
  const Index heads = 3, reach = 2;
  const Lengths lengths{5, 1, 70}, cu = cumulative(lengths);
  const auto table = tensor<double, D>({heads, 2 * reach + 1}, 4);
  std::vector<double> values;
  for (Index h = 0; h < heads; ++h)
    for (const Index n : lengths)
      for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < n; ++j)
          values.push_back(table.to_vector()[h * 5 + (j - i < -2 ? 0 : j - i > 2 ? 4 : j - i + 2)]);
  const auto pairs = Tensor<double, D>::from(values, {heads, static_cast<Index>(values.size()) / heads});
  const auto x = tensor<double, D>({76, 9 * heads}, 1);
  const AttentionOptions options{.heads = heads, .cu_seqlens = cu};
  const AttentionBias<double, D> by_distance{table, {}}, by_pair{{}, pairs};
  CHECK(attention_qkv(x, options, by_distance).to_vector() == attention_qkv(x, options, by_pair).to_vector());
}

TEMPLATE_TEST_CASE("a bias is added to the scaled scores", "", Cpu, Reference) {
  using D = TestType;
  const Lengths cu = cumulative({2});
  const auto q = Tensor<double, D>::from({1, 2}, {2, 1}), k = Tensor<double, D>::from({3, 5}, {2, 1});
  const auto v = Tensor<double, D>::from({1, 10}, {2, 1});
  const AttentionBias<double, D> bias{Tensor<double, D>::from({-0.25, 0.5, 0.75}, {1, 3}), {}};
  const auto y = attention(q, k, v, {.heads = 1, .scale = 0.1, .cu_seqlens = cu}, bias).to_vector();
  // row 0: 0.1·1·3 + 0.5, 0.1·1·5 + 0.75; row 1: 0.1·2·3 - 0.25, 0.1·2·5 + 0.5
  const double first = 1 / (1 + std::exp(1.25 - 0.8)), second = 1 / (1 + std::exp(1.5 - 0.35));
  CHECK(relative_error(y, std::vector<double>{first + 10 * (1 - first), second + 10 * (1 - second)}) < 1e-15);
}

TEST_CASE("attention with a bias and a window gives the same bits for any number of threads") {
  for (const Bias kind : {Bias::none, Bias::distance, Bias::pair})
    for (const Case& c :
         {Case{.queries = {300, 20}, .keys = {300, 20}, .heads = 2, .kv_heads = 1, .reach = 50, .p = 0.1},
          Case{.queries = {200}, .keys = {900}, .heads = 1, .kv_heads = 1, .causal = true, .p = 0.1},
          Case{.queries = {1100}, .keys = {1100}, .heads = 2, .window = {130, 64}}}) {
      Case with = c;
      with.bias = kind;
      std::vector<std::vector<float>> once;
      for (const int threads : {1, 2, 3, 16})
        with_threads(threads, [&] {
          const auto results = run<float, Cpu>(with);
          if (once.empty()) once = results;
          CHECK(results == once);
        });
    }
}

TEMPLATE_TEST_CASE("a second backward adds to the gradients of a bias", "", Cpu, Reference) {
  using D = TestType;
  const Lengths cu = cumulative({6, 40});
  const auto x = tensor<float, D>({46, 48}, 1);
  for (const bool by_pair : {false, true}) {
    auto values = tensor<float, D>(by_pair ? Shape{2, 36 + 1600} : Shape{2, 9}, 2);
    values.requires_grad(true);
    AttentionBias<float, D> bias;
    (by_pair ? bias.by_pair : bias.by_distance) = values;
    const AttentionOptions options{.heads = 2, .window = {7, 3}, .cu_seqlens = cu};
    weighted(attention_qkv(x, options, bias)).backward();
    const auto once = values.grad().to_vector();
    weighted(attention_qkv(x, options, bias)).backward();
    auto twice = once;
    for (float& value : twice) value *= 2;
    CHECK(relative_error(values.grad().to_vector(), twice) < 1e-6);
  }
}

TEST_CASE("attention names itself where a bias or a window does not fit") {
  const Lengths cu{0, 2, 5};
  const auto even = tensor<float, Cpu>({2, 4}), few = tensor<float, Cpu>({1, 5}), flat = tensor<float, Cpu>({10}),
             good = tensor<float, Cpu>({2, 5}), pairs = tensor<float, Cpu>({2, 13}), more = tensor<float, Cpu>({2, 14});
  const AttentionOptions options{.heads = 2, .kv_heads = 2, .cu_seqlens = cu};
  using Added = AttentionBias<float>;
  const auto y = tensor<float, Cpu>({5, 12});
  for (const Added& bad : {Added{even, {}}, Added{few, {}}, Added{flat, {}}, Added{{}, more}, Added{{}, flat},
                           Added{{}, few}, Added{good, pairs}})
    REQUIRE_ERROR(attention(y, y, y, options, bad), "cloze.attention.4");
  CHECK(attention(y, y, y, options, Added{good, {}}).shape() == Shape{5, 12});
  CHECK(attention(y, y, y, options, Added{{}, pairs}).shape() == Shape{5, 12});
  REQUIRE_ERROR(attention(y, y, y, {.heads = 2, .window = {-1, 2}, .cu_seqlens = cu}), "cloze.attention.5");
  REQUIRE_ERROR(attention(y, y, y, {.heads = 2, .window = {1, -2}, .cu_seqlens = cu}), "cloze.attention.5");
}
