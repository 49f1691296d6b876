#include <cloze/autograd/recompute.hpp>

#include <vector>

#include <cloze/autograd/dropout.hpp>
#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/linear.hpp>
#include <cloze/autograd/losses.hpp>
#include <cloze/autograd/reduce.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

template <class D>
Tensor<float, D> numbers(Shape shape, float seed) {
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(seed + 0.7f * static_cast<float>(i));
  auto tensor = Tensor<float, D>::from(values, shape);
  tensor.requires_grad(true);
  return tensor;
}

template <class D>
struct Parts {
  Tensor<float, D> x = numbers<D>({5, 4}, 1), weight = numbers<D>({4, 4}, 2), bias = numbers<D>({4}, 3);

  std::vector<Tensor<float, D>> parameters() const { return {weight, bias}; }
  auto block() const {
    return [weight = weight, bias = bias](const Tensor<float, D>& input) {
      const auto up = linear(input, weight, bias, {.activation = Activation::gelu});
      return add(dropout(up, {.p = 0.3, .key = 77}), input);
    };
  }
  std::vector<std::vector<float>> gradients() const {
    return {x.grad().to_vector(), weight.grad().to_vector(), bias.grad().to_vector()};
  }
};

}  // namespace

TEMPLATE_TEST_CASE("a recomputed block gives the bits of the block, forward and backward", "", Cpu, Reference) {
  Parts<TestType> plain, again;
  for (int step = 0; step < 2; ++step) {  // the second time gradients add up
    auto y = scale(plain.x, 1.5f);
    for (int i = 0; i < 3; ++i) y = plain.block()(y);
    auto z = scale(again.x, 1.5f);
    for (int i = 0; i < 3; ++i) z = recompute<float, TestType>(z, again.parameters(), again.block());
    CHECK(y.to_vector() == z.to_vector());
    sum(mul(y, y)).backward();
    sum(mul(z, z)).backward();
    CHECK(plain.gradients() == again.gradients());
  }
}

TEST_CASE("gradients stop and go as they do without recomputation") {
  const auto run = [](bool x_wanted, bool weight_wanted, bool recomputed) {
    Parts<Cpu> parts;
    parts.x.requires_grad(x_wanted);
    parts.weight.requires_grad(weight_wanted);
    parts.bias.requires_grad(weight_wanted);
    const auto y =
        recomputed ? recompute<float, Cpu>(parts.x, parts.parameters(), parts.block()) : parts.block()(parts.x);
    CHECK(y.requires_grad() == (x_wanted || weight_wanted));
    if (y.requires_grad()) sum(mul(y, y)).backward();
    CHECK(parts.x.has_grad() == x_wanted);
    CHECK(parts.weight.has_grad() == weight_wanted);
    return std::pair(x_wanted ? parts.x.grad().to_vector() : std::vector<float>(),
                     weight_wanted ? parts.weight.grad().to_vector() : std::vector<float>());
  };
  for (const bool x : {false, true})
    for (const bool weight : {false, true}) CHECK(run(x, weight, true) == run(x, weight, false));
}

TEST_CASE("an input with other uses, an identity and a lookup of rows are recomputed too") {
  const std::vector<Index> rows{3, 1, 3};
  const auto gradient = [&](bool recomputed) {
    auto leaf = numbers<Cpu>({5, 4}, 1);
    const auto x = scale(leaf, 2.0f);
    const std::span<const Tensor<float>> none;
    const auto same = [](const Tensor<float>& input) { return input; };
    const auto some = [&rows](const Tensor<float>& input) { return gather_rows(input, rows); };
    const auto a = recomputed ? recompute(x, none, same) : x;
    const auto b = recomputed ? recompute(x, none, some) : some(x);
    add(sum(mul(a, a)), add(sum(mul(b, b)), sum(x))).backward();
    return leaf.grad().to_vector();
  };
  const auto wanted = gradient(false), found = gradient(true);
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(found[i] == Approx(wanted[i]).epsilon(1e-6));
}

TEST_CASE("under NoGrad nothing is recorded, and a second backward() is refused") {
  Parts<Cpu> parts;
  {
    const NoGrad no_grad;
    CHECK_FALSE(recompute<float, Cpu>(parts.x, parts.parameters(), parts.block()).requires_grad());
  }
  const auto loss = sum(recompute<float, Cpu>(parts.x, parts.parameters(), parts.block()));
  loss.backward();
  REQUIRE_ERROR(loss.backward(), "cloze.autograd.1");
}

TEST_CASE("recomputation keeps the inputs of the blocks alone") {
  const auto peak = [](bool recomputed) {
    auto x = numbers<Cpu>({64, 64}, 1);
    const auto weight = numbers<Cpu>({64, 64}, 2), bias = numbers<Cpu>({64}, 3);
    const std::vector<Tensor<float>> parameters{weight, bias};
    const auto block = [=](const Tensor<float>& input) {
      auto y = input;
      for (int i = 0; i < 5; ++i) y = linear(y, weight, bias, {.activation = Activation::gelu});
      return y;
    };
    const std::size_t before = Memory<Cpu>::statistics().used;
    Memory<Cpu>::reset_peak();
    auto y = x;
    for (int i = 0; i < 8; ++i) y = recomputed ? recompute<float, Cpu>(y, parameters, block) : block(y);
    sum(y).backward();
    return Memory<Cpu>::statistics().peak - before;
  };
  const std::size_t tensor = 64 * 64 * sizeof(float);
  CHECK(peak(false) > 80 * tensor);
  CHECK(peak(true) < 30 * tensor);
}
