#include <cloze/autograd/dropout.hpp>
#include <cloze/autograd/elementwise.hpp>
#include <cloze/autograd/embedding.hpp>
#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/layer_norm.hpp>
#include <cloze/autograd/linear.hpp>

#include <limits>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::relative_error;
using cloze::test::tensor;
using cloze::test::weighted;

namespace {

using Rows = std::vector<Index>;

/// The same by single operations, in the same order.
template <class T, Device D>
Tensor<T, D> by_parts(const Lookup<T, D>& words, const Lookup<T, D>& second, const Lookup<T, D>& third,
                      const Tensor<T, D>& gamma, const Tensor<T, D>& beta, const EmbeddingNormOptions<T>& options) {
  auto sum = gather_rows(words.table, words.ids);
  if (second.table.defined()) sum = add(sum, gather_rows(second.table, second.ids));
  if (third.table.defined()) sum = add(sum, gather_rows(third.table, third.ids));
  return dropout(layer_norm(sum, gamma, beta, options.eps), options.dropout);
}

/// One number whose gradient with respect to y is cos(0), cos(1), …
template <class T, Device D>
Tensor<T, D> counted(const Tensor<T, D>& y) {
  return weighted(y, [](Index i) { return std::cos(static_cast<T>(i)); });
}

}  // namespace

TEMPLATE_TEST_CASE("embedding_norm has the gradients of its formula, with dropout too", "", Cpu, Reference) {
  using D = TestType;
  const Rows words{4, 0, 4}, segments{1, 1, 0}, positions{2, 3, 2};
  for (const double p : {0.0, 0.4}) {
    const EmbeddingNormOptions<double> options{.eps = 1e-5, .dropout = {p, 99}};
    const auto three = [&](const auto& in) {
      return embedding_norm<double, D>({in[0], words}, {in[1], segments}, {in[2], positions}, in[3], in[4], options);
    };
    CLOZE_GRADCHECK(D, three, Shape{5, 17}, Shape{2, 17}, Shape{4, 17}, Shape{17}, Shape{17});
    CLOZE_GRADCHECK(D, three, Shape{5, 3}, Shape{2, 3}, Shape{4, 3}, Shape{3}, Shape{3});
    const auto two = [&](const auto& in) {
      return embedding_norm<double, D>({in[0], words}, {}, {in[1], positions}, in[2], in[3], options);
    };
    CLOZE_GRADCHECK(D, two, Shape{5, 130}, Shape{4, 130}, Shape{130}, Shape{130});
    const auto one_table = [&](const auto& in) {
      return embedding_norm<double, D>({in[0], words}, {in[0], segments}, {in[0], positions}, in[1], in[2], options);
    };
    CLOZE_GRADCHECK(D, one_table, Shape{5, 6}, Shape{6}, Shape{6});
  }
  const auto of_product = [&](const auto& in) {
    return embedding_norm<double, D>({matmul(in[0], in[1]), words}, {}, {}, in[2], in[3], {.eps = 1e-5});
  };
  CLOZE_GRADCHECK(D, of_product, Shape{5, 2}, Shape{2, 4}, Shape{4}, Shape{4});
}

TEMPLATE_TEST_CASE("embedding_norm is the lookups, sums, layer_norm and dropout that it replaces", "", Cpu, Reference) {
  using D = TestType;
  for (const Index n : {1, 3, 16, 17, 129, 300}) {
    const Rows words{7, 2, 7, 0}, segments{0, 1, 1, 0}, positions{2, 3, 4, 2};
    std::vector<std::vector<double>> results[2];
    for (const bool fused : {false, true}) {
      auto w = tensor<double, D>({9, n}, 1), s = tensor<double, D>({2, n}, 2), p = tensor<double, D>({6, n}, 3);
      auto gamma = tensor<double, D>({n}, 4), beta = tensor<double, D>({n}, 5);
      for (auto* t : {&w, &s, &p, &gamma, &beta}) t->requires_grad(true);
      const Lookup<double, D> a{w, words}, b{s, segments}, c{p, positions};
      const EmbeddingNormOptions<double> options{.eps = 1e-5, .dropout = {0.3, 1234567890123u}};
      const auto y = fused ? embedding_norm(a, b, c, gamma, beta, options) : by_parts(a, b, c, gamma, beta, options);
      counted(y).backward();
      CHECK(w.has_row_sparse_grad());
      CHECK(w.touched_rows().rows.size() == 3);
      results[fused] = {y.to_vector(),        w.grad().to_vector(),     s.grad().to_vector(),
                        p.grad().to_vector(), gamma.grad().to_vector(), beta.grad().to_vector()};
    }
    for (std::size_t i = 0; i < results[0].size(); ++i) CHECK(relative_error(results[1][i], results[0][i]) < 1e-12);
  }
}

TEST_CASE("embedding_norm gives the same bits for any number of threads, forward and backward") {
  std::vector<std::vector<float>> results[2];
  const int before = num_threads();
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    auto w = tensor<float, Cpu>({50, 130}, 1), p = tensor<float, Cpu>({700, 130}, 3);
    auto gamma = tensor<float, Cpu>({130}, 4), beta = tensor<float, Cpu>({130}, 5);
    for (auto* t : {&w, &p, &gamma, &beta}) t->requires_grad(true);
    Rows words(700), positions(700);
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] = static_cast<Index>(i * i % 50);
      positions[i] = static_cast<Index>(i);
    }
    const auto y =
        embedding_norm<float, Cpu>({w, words}, {}, {p, positions}, gamma, beta, {.eps = 1e-5f, .dropout = {0.1, 5}});
    counted(y).backward();
    results[threads - 1] = {y.to_vector(), w.grad().to_vector(), p.grad().to_vector(), gamma.grad().to_vector()};
  }
  set_num_threads(before);
  CHECK(results[0] == results[1]);
}

TEMPLATE_TEST_CASE("no tokens have embeddings too", "", Cpu, Reference) {
  using D = TestType;
  auto w = tensor<float, D>({5, 3}), gamma = tensor<float, D>({3}), beta = tensor<float, D>({3});
  for (auto* t : {&w, &gamma, &beta}) t->requires_grad(true);
  const auto y = embedding_norm<float, D>({w, {}}, {}, {}, gamma, beta);
  CHECK(y.shape() == Shape{0, 3});
  counted(y).backward();
  CHECK_FALSE(w.has_grad());
  CHECK(gamma.grad().to_vector() == std::vector<float>(3, 0.0f));
}

TEST_CASE("embedding_norm names itself where its input does not fit") {
  const auto w = tensor<float, Cpu>({5, 3}), wide = tensor<float, Cpu>({5, 4}), gamma = tensor<float, Cpu>({3}),
             none = Tensor<float>();
  const Rows two{1, 4}, three{0, 1, 2}, high{0, 5}, negative{-1, 0};
  using L = Lookup<float, Cpu>;
  REQUIRE_ERROR(embedding_norm(L{none, two}, L{}, L{}, gamma, gamma), "cloze.embedding_norm.1");
  REQUIRE_ERROR(embedding_norm(L{gamma, two}, L{}, L{}, gamma, gamma), "cloze.embedding_norm.1");
  REQUIRE_ERROR(embedding_norm(L{w, two}, L{wide, two}, L{}, gamma, gamma), "cloze.embedding_norm.1");
  REQUIRE_ERROR(embedding_norm(L{w, two}, L{}, L{w, three}, gamma, gamma), "cloze.embedding_norm.1");
  REQUIRE_ERROR(embedding_norm(L{wide, two}, L{}, L{}, gamma, gamma), "cloze.embedding_norm.1");
  REQUIRE_ERROR(embedding_norm(L{w, two}, L{}, L{}, none, gamma), "cloze.embedding_norm.1");
  REQUIRE_ERROR(embedding_norm(L{w, high}, L{}, L{}, gamma, gamma), "cloze.embedding_norm.2");
  REQUIRE_ERROR(embedding_norm(L{w, two}, L{w, negative}, L{}, gamma, gamma), "cloze.embedding_norm.2");
  REQUIRE_ERROR(embedding_norm(L{w, two}, L{}, L{}, gamma, gamma, {.eps = -1}), "cloze.embedding_norm.3");
  REQUIRE_ERROR(embedding_norm(L{w, two}, L{}, L{}, gamma, gamma, {.dropout = {1.0, 1}}), "cloze.dropout.1");
}
