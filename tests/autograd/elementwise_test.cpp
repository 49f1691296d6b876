#include <cloze/autograd/elementwise.hpp>

#include <limits>

#include <cloze/core/parallel.hpp>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::relative_error;
using cloze::test::tensor;

TEMPLATE_TEST_CASE("sums, differences, products and scalings have the right gradients", "", Cpu, Reference) {
  using D = TestType;
  const auto f_add = [](const auto& in) { return in[0] + in[1]; };
  const auto f_sub = [](const auto& in) { return in[0] - in[1]; };
  const auto f_mul = [](const auto& in) { return in[0] * in[1]; };
  const auto f_scale = [](const auto& in) { return 2.5 * in[0] * 3; };
  const auto f_shift = [](const auto& in) { return 1 - (in[0] + 2) - 3 + (-in[0]); };
  const auto f_same = [](const auto& in) { return in[0] * in[0] - in[0]; };
  for (const Shape shape : {Shape{}, Shape{1}, Shape{3}, Shape{16}, Shape{17}, Shape{5, 13}, Shape{0}, Shape{2, 0}}) {
    CLOZE_GRADCHECK(D, f_add, shape, shape);
    CLOZE_GRADCHECK(D, f_sub, shape, shape);
    CLOZE_GRADCHECK(D, f_mul, shape, shape);
    CLOZE_GRADCHECK(D, f_scale, shape);
    CLOZE_GRADCHECK(D, f_shift, shape);
    CLOZE_GRADCHECK(D, f_same, shape);
  }
}

TEMPLATE_TEST_CASE("add_rows adds one row to every row, with gradients", "", Cpu, Reference) {
  using D = TestType;
  const auto f = [](const auto& in) { return add_rows(in[0], in[1]); };
  CLOZE_GRADCHECK(D, f, Shape{3, 5}, Shape{5});
  CLOZE_GRADCHECK(D, f, Shape{2, 3, 65}, Shape{65});
  CLOZE_GRADCHECK(D, f, Shape{1}, Shape{1});
  CLOZE_GRADCHECK(D, f, Shape{0, 4}, Shape{4});
  const auto y = add_rows(Tensor<double, D>::from({1, 2, 3, 4}, {2, 2}), Tensor<double, D>::from({10, 20}, {2}));
  CHECK(y.to_vector() == std::vector<double>{11, 22, 13, 24});
}

TEMPLATE_TEST_CASE("operators give what arithmetic gives", "", Cpu, Reference) {
  using D = TestType;
  const auto a = Tensor<float, D>::from({1, -2, 3}, {3}), b = Tensor<float, D>::from({4, 5, -6}, {3});
  CHECK((a + b).to_vector() == std::vector<float>{5, 3, -3});
  CHECK((a - b).to_vector() == std::vector<float>{-3, -7, 9});
  CHECK((a * b).to_vector() == std::vector<float>{4, -10, -18});
  CHECK((2 * a).to_vector() == std::vector<float>{2, -4, 6});
  CHECK((a * 0.5).to_vector() == std::vector<float>{0.5f, -1, 1.5f});
  CHECK((a + 1).to_vector() == std::vector<float>{2, -1, 4});
  CHECK((1 + a).to_vector() == std::vector<float>{2, -1, 4});
  CHECK((a - 1).to_vector() == std::vector<float>{0, -3, 2});
  CHECK((1 - a).to_vector() == std::vector<float>{0, 3, -2});
  CHECK((-a).to_vector() == std::vector<float>{-1, 2, -3});
}

TEMPLATE_TEST_CASE("activations have the right values and gradients", "", Cpu, Reference) {
  using D = TestType;
  for (const Activation kind : {Activation::none, Activation::gelu, Activation::gelu_tanh, Activation::relu,
                                Activation::silu, Activation::tanh}) {
    const auto f = [kind](const auto& in) { return activate(3 * in[0], kind); };
    for (const Shape shape : {Shape{1}, Shape{3}, Shape{16}, Shape{17}, Shape{5, 13}, Shape{0}})
      CLOZE_GRADCHECK(D, f, shape);
  }
  // Values by hand: x Φ(x), its tanh form, x σ(x), at 1 and -2.
  const auto x = Tensor<double, D>::from({1, -2}, {2});
  const auto close = [](const Tensor<double, D>& y, double first, double second) {
    CHECK(y.to_vector()[0] == Approx(first).epsilon(1e-12));
    CHECK(y.to_vector()[1] == Approx(second).epsilon(1e-12));
  };
  close(gelu(x), 0.84134474606854293, -0.045500263896358417);
  close(gelu_tanh(x), 0.84119199060827049, -0.045402305912224898);
  close(relu(x), 1, 0);
  close(silu(x), 0.73105857863000487, -0.23840584404423512);
  close(tanh(x), 0.76159415595576489, -0.96402758007581690);
}

TEST_CASE("activations stay finite far out and keep NaN") {
  for (const Activation kind :
       {Activation::gelu, Activation::gelu_tanh, Activation::relu, Activation::silu, Activation::tanh}) {
    auto x = Tensor<float>::from({-1e4f, 1e4f, -100, 100, std::numeric_limits<float>::quiet_NaN()}, {5});
    x.requires_grad(true);
    const auto y = activate(x, kind).to_vector();
    CHECK(y[0] == (kind == Activation::tanh ? -1.f : 0.f));
    CHECK(y[1] == (kind == Activation::tanh ? 1.f : 1e4f));
    CHECK(std::isfinite(y[2]));
    CHECK(std::isfinite(y[3]));
    CHECK(std::isnan(y[4]));
  }
}

TEST_CASE("elementwise operations in float agree with Reference in double") {
  for (const Index n : {1, 3, 16, 17, 65, 1000}) {
    const auto a = tensor<float, Cpu>({n}, 1), b = tensor<float, Cpu>({n}, 2);
    const auto ra = a.to<Reference, double>(), rb = b.to<Reference, double>();
    CHECK(relative_error((a + b).to_vector(), (ra + rb).to_vector()) < 2e-7);
    CHECK(relative_error((a * b).to_vector(), (ra * rb).to_vector()) < 2e-7);
    CHECK(relative_error((0.3 * a).to_vector(), (0.3 * ra).to_vector()) < 2e-7);
    for (const Activation kind : {Activation::gelu, Activation::gelu_tanh, Activation::silu, Activation::tanh})
      CHECK(relative_error(activate(a, kind).to_vector(), activate(ra, kind).to_vector()) < 5e-7);
  }
}

TEST_CASE("elementwise operations give the same bits for any number of threads") {
  const auto run = [](int threads) {
    const int before = num_threads();
    set_num_threads(threads);
    auto x = tensor<float, Cpu>({300, 301}, 1), row = tensor<float, Cpu>({301}, 2);
    x.requires_grad(true), row.requires_grad(true);
    auto y = add_rows(gelu(x) * x, row);
    auto weights = tensor<float, Cpu>({300, 301}, 3);
    auto total = Tensor<float>::scalar(0);
    record_op(
        "weigh", total,
        [y, weights](OutputView<float>) {
          const auto target = grad_target(y);
          std::ranges::copy(weights.to_vector(), target.data);
        },
        y);
    total.backward();
    set_num_threads(before);
    auto all = y.to_vector();
    for (const auto& g : {x.grad().to_vector(), row.grad().to_vector()}) all.insert(all.end(), g.begin(), g.end());
    return all;
  };
  CHECK(run(1) == run(2));
}

TEST_CASE("elementwise operations name themselves where shapes do not fit") {
  const auto a = tensor<float, Cpu>({2, 3}), b = tensor<float, Cpu>({3, 2});
  REQUIRE_ERROR(a + b, "cloze.elementwise.1");
  REQUIRE_ERROR(a - b, "cloze.elementwise.1");
  REQUIRE_ERROR(a * b, "cloze.elementwise.1");
  REQUIRE_ERROR(add_rows(a, b), "cloze.elementwise.2");
  REQUIRE_ERROR(add_rows(a, tensor<float, Cpu>({2})), "cloze.elementwise.2");
  REQUIRE_ERROR(a + Tensor<float>(), "cloze.tensor.7");
  REQUIRE_ERROR(gelu(Tensor<float>()), "cloze.tensor.7");
}

TEST_CASE("activations have the names of Hugging Face's config.json, and no others", "") {
  CHECK(activation_named("gelu") == Activation::gelu);
  for (const char* name : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"})
    CHECK(activation_named(name) == Activation::gelu_tanh);
  CHECK(activation_named("relu") == Activation::relu);
  for (const char* name : {"silu", "swish"}) CHECK(activation_named(name) == Activation::silu);
  CHECK(activation_named("tanh") == Activation::tanh);
  CHECK(activation_named("linear") == Activation::none);
  for (const char* name : {"", "GELU", "mish", "gelu "}) REQUIRE_ERROR(activation_named(name), "cloze.activation.1");
}
