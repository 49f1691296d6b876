#include <cloze/autograd/linear.hpp>

#include <limits>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::relative_error;
using cloze::test::tensor;

TEMPLATE_TEST_CASE("linear is x Wᵀ + b through its activation, with gradients", "", Cpu, Reference) {
  using D = TestType;
  for (const Activation kind : {Activation::none, Activation::gelu, Activation::gelu_tanh, Activation::relu,
                                Activation::silu, Activation::tanh}) {
    const auto f = [kind](const auto& in) { return linear(in[0], in[1], in[2], {.activation = kind}); };
    CLOZE_GRADCHECK(D, f, Shape{3, 5}, Shape{4, 5}, Shape{4});
    CLOZE_GRADCHECK(D, f, Shape{1, 1}, Shape{1, 1}, Shape{1});
    CLOZE_GRADCHECK(D, f, Shape{2, 3, 17}, Shape{16, 17}, Shape{16});
  }
  const auto no_bias = [](const auto& in) { return linear(in[0], in[1], Tensor<double, D>()); };
  CLOZE_GRADCHECK(D, no_bias, Shape{2, 5}, Shape{3, 5});
  const auto some_rows = [](const auto& in) { return linear(in[0], in[1], in[2], {.first_row = 1, .rows = 2}); };
  CLOZE_GRADCHECK(D, some_rows, Shape{2, 5}, Shape{4, 5}, Shape{4});
}

TEMPLATE_TEST_CASE("matmul takes either operand transposed, with gradients", "", Cpu, Reference) {
  using D = TestType;
  const auto nn = [](const auto& in) { return matmul(in[0], in[1]); };
  const auto nt = [](const auto& in) { return matmul(in[0], in[1], {.transpose_b = true}); };
  const auto tn = [](const auto& in) { return matmul(in[0], in[1], {.transpose_a = true}); };
  CLOZE_GRADCHECK(D, nn, Shape{2, 3}, Shape{3, 4});
  CLOZE_GRADCHECK(D, nt, Shape{2, 3}, Shape{4, 3});
  CLOZE_GRADCHECK(D, tn, Shape{3, 2}, Shape{3, 4});
}

TEST_CASE("both devices give the same linear layer") {
  for (const Index n : {1, 3, 15, 16, 17, 65}) {
    const auto x = tensor<float, Cpu>({n, n + 2}, 1), w = tensor<float, Cpu>({n + 1, n + 2}, 2),
               b = tensor<float, Cpu>({n + 1}, 3);
    const auto rx = x.to<Reference, double>(), rw = w.to<Reference, double>(), rb = b.to<Reference, double>();
    const auto fast = linear(x, w, b, {.activation = Activation::gelu});
    const auto slow = linear(rx, rw, rb, {.activation = Activation::gelu});
    CHECK(relative_error(fast.to_vector(), slow.to_vector()) < 1e-6);
  }
}

TEST_CASE("an empty batch passes through a linear layer") {
  auto x = Tensor<float>::empty({0, 3});
  auto w = tensor<float, Cpu>({2, 3});
  w.requires_grad(true);
  const auto y = linear(x, w, Tensor<float>());
  CHECK(y.shape() == Shape{0, 2});
}

TEST_CASE("linear and matmul name themselves where shapes do not fit") {
  const auto x = tensor<float, Cpu>({2, 3}), w = tensor<float, Cpu>({4, 5}), b = tensor<float, Cpu>({3});
  REQUIRE_ERROR(linear(x, w, Tensor<float>()), "cloze.linear.1");
  REQUIRE_ERROR(linear(x, tensor<float, Cpu>({4, 3}), b), "cloze.linear.1");
  REQUIRE_ERROR(linear(x, tensor<float, Cpu>({4, 3}), Tensor<float>(), {.first_row = 3, .rows = 2}), "cloze.linear.1");
  constexpr Index huge = std::numeric_limits<Index>::max();
  REQUIRE_ERROR(linear(x, tensor<float, Cpu>({4, 3}), Tensor<float>(), {.first_row = huge, .rows = huge}),
                "cloze.linear.1");
  REQUIRE_ERROR(linear(x, tensor<float, Cpu>({4, 3}), Tensor<float>(), {.first_row = -huge}), "cloze.linear.1");
  REQUIRE_ERROR(matmul(x, w), "cloze.matmul.1");
}
