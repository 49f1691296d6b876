#include <cloze/autograd/layer_norm.hpp>

#include <limits>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::relative_error;
using cloze::test::tensor;

namespace {

std::vector<double> formula(const std::vector<double>& z, const std::vector<double>& gamma,
                            const std::vector<double>& beta, double eps) {
  const std::size_t n = gamma.size();
  std::vector<double> y(z.size());
  for (std::size_t first = 0; first < z.size(); first += n) {
    long double mean = 0, variance = 0;
    for (std::size_t c = 0; c < n; ++c) mean += z[first + c];
    mean /= n;
    for (std::size_t c = 0; c < n; ++c) variance += (z[first + c] - mean) * (z[first + c] - mean);
    variance /= n;
    for (std::size_t c = 0; c < n; ++c)
      y[first + c] = static_cast<double>((z[first + c] - mean) / std::sqrt(variance + eps)) * gamma[c] + beta[c];
  }
  return y;
}

template <class F>
void with_threads(int threads, F&& f) {
  const int before = num_threads();
  set_num_threads(threads);
  f();
  set_num_threads(before);
}

}  // namespace

TEMPLATE_TEST_CASE("layer_norm has the gradients of its formula", "", Cpu, Reference) {
  using D = TestType;
  using X = Tensor<double, D>;
  const auto f = [](const auto& in) { return layer_norm(in[0], in[1], in[2], 1e-5); };
  for (const Index n : {2, 3, 15, 16, 17, 65}) CLOZE_GRADCHECK(D, f, Shape{3, n}, Shape{n}, Shape{n});
  CLOZE_GRADCHECK(D, f, Shape{2, 2, 5}, Shape{5}, Shape{5});
  CLOZE_GRADCHECK(D, f, Shape{1, 1}, Shape{1}, Shape{1});
  const auto bare = [](const auto& in) { return layer_norm(in[0], X(), X(), 1e-5); };
  CLOZE_GRADCHECK(D, bare, Shape{3, 7});
  const auto no_beta = [](const auto& in) { return layer_norm(in[0], in[1], X(), 1e-12); };
  CLOZE_GRADCHECK(D, no_beta, Shape{70, 3}, Shape{3});
}

TEMPLATE_TEST_CASE("residual_layer_norm has the gradients of its formula, with dropout too", "", Cpu, Reference) {
  using D = TestType;
  using X = Tensor<double, D>;
  for (const double p : {0.0, 0.4}) {
    const ResidualNormOptions<double> options{.eps = 1e-5, .dropout = {p, 99}};
    const auto f = [&](const auto& in) { return residual_layer_norm(in[0], in[1], in[2], in[3], options); };
    CLOZE_GRADCHECK(D, f, Shape{3, 17}, Shape{3, 17}, Shape{17}, Shape{17});
    CLOZE_GRADCHECK(D, f, Shape{2, 3, 6}, Shape{2, 3, 6}, Shape{6}, Shape{6});
    const auto twice = [&](const auto& in) { return residual_layer_norm(in[0], in[0], in[1], in[2], options); };
    CLOZE_GRADCHECK(D, twice, Shape{3, 9}, Shape{9}, Shape{9});
    const auto alone = [&](const auto& in) { return residual_layer_norm(in[0], X(), in[1], in[2], options); };
    CLOZE_GRADCHECK(D, alone, Shape{3, 9}, Shape{9}, Shape{9});
  }
}

TEMPLATE_TEST_CASE("layer_norm is the formula to the scalar's precision", "", Cpu, Reference) {
  using D = TestType;
  for (const Index n : {1, 3, 16, 17, 127, 768}) {
    const auto x = tensor<double, D>({5, n}, 1), gamma = tensor<double, D>({n}, 2), beta = tensor<double, D>({n}, 3);
    const auto wanted = formula(x.to_vector(), gamma.to_vector(), beta.to_vector(), 1e-5);
    CHECK(relative_error(layer_norm(x, gamma, beta, 1e-5).to_vector(), wanted) < 1e-12);
    const auto xf = x.template to<D, float>(), gf = gamma.template to<D, float>(), bf = beta.template to<D, float>();
    CHECK(relative_error(layer_norm(xf, gf, bf, 1e-5f).to_vector(), wanted) < 2e-6);
  }
}

TEST_CASE("the variance of rows far from zero keeps its digits") {
  std::vector<double> values = cloze::test::numbers(256, 4);
  for (double& v : values) v = v * 1e-2 + 1000;
  const auto x = Tensor<double>::from(values, {1, 256});
  const auto wanted = layer_norm(x, Tensor<double>(), Tensor<double>(), 1e-12).to_vector();
  const std::vector<float> rounded(values.begin(), values.end());
  const auto exact = layer_norm(Tensor<double>::from(std::vector<double>(rounded.begin(), rounded.end()), {1, 256}),
                                Tensor<double>(), Tensor<double>(), 1e-12)
                         .to_vector();
  const auto found = layer_norm(Tensor<float>::from(rounded, {1, 256}), Tensor<float>(), Tensor<float>(), 1e-12f);
  CHECK(relative_error(found.to_vector(), exact) <
        1e-2);  // the mean alone is off by an ulp of 1000; E[x²]-E[x]² gives noise
  CHECK(wanted.size() == 256);
}

TEST_CASE("both devices normalise alike and draw the same dropout") {
  for (const Index n : {1, 3, 16, 17, 129, 300}) {
    const auto x = tensor<double, Cpu>({4, n}, 1), residual = tensor<double, Cpu>({4, n}, 2);
    const auto gamma = tensor<double, Cpu>({n}, 3), beta = tensor<double, Cpu>({n}, 4);
    const ResidualNormOptions<double> options{.eps = 1e-5, .dropout = {0.3, 1234567890123u}};
    const auto fast = residual_layer_norm(x, residual, gamma, beta, options).to_vector();
    const auto slow = residual_layer_norm(x.to<Reference>(), residual.to<Reference>(), gamma.to<Reference>(),
                                          beta.to<Reference>(), options)
                          .to_vector();
    CHECK(relative_error(fast, slow) < 1e-12);
  }
}

TEMPLATE_TEST_CASE("row ids let some rows draw the dropout of the whole", "", Cpu, Reference) {
  using D = TestType;
  const auto x = tensor<float, D>({6, 33}, 1), residual = tensor<float, D>({6, 33}, 2), none = Tensor<float, D>();
  const auto all = residual_layer_norm(x, residual, none, none, {.dropout = {0.5, 7}}).to_vector();
  const std::vector<Index> rows{4, 1};
  std::vector<float> some_x, some_residual, wanted;
  for (const Index r : rows)
    for (Index c = 0; c < 33; ++c) {
      some_x.push_back(x.to_vector()[r * 33 + c]);
      some_residual.push_back(residual.to_vector()[r * 33 + c]);
      wanted.push_back(all[r * 33 + c]);
    }
  const auto found =
      residual_layer_norm(Tensor<float, D>::from(some_x, {2, 33}), Tensor<float, D>::from(some_residual, {2, 33}), none,
                          none, {.dropout = {0.5, 7}, .row_ids = rows});
  CHECK(found.to_vector() == wanted);
}

TEST_CASE("layer_norm gives the same bits for any number of threads, forward and backward") {
  std::vector<std::vector<float>> results[2];
  for (const int threads : {1, 2})
    with_threads(threads, [&] {
      auto x = tensor<float, Cpu>({333, 130}, 1), residual = tensor<float, Cpu>({333, 130}, 2);
      auto gamma = tensor<float, Cpu>({130}, 3), beta = tensor<float, Cpu>({130}, 4);
      for (auto* t : {&x, &residual, &gamma, &beta}) t->requires_grad(true);
      auto y = residual_layer_norm(x, residual, gamma, beta, {.dropout = {0.1, 5}});
      auto last = residual_layer_norm(y, y, gamma, beta, {});
      auto total = Tensor<float>::scalar(0);
      record_op(
          "test", total,
          [last](OutputView<float>) {
            auto target = last.gradient().dense(last.size(), 1);
            for (Index i = 0; i < last.size(); ++i) target.data[i] = std::cos(static_cast<float>(i));
          },
          last);
      total.backward();
      results[threads - 1] = {y.to_vector(), x.grad().to_vector(), residual.grad().to_vector(),
                              gamma.grad().to_vector(), beta.grad().to_vector()};
    });
  CHECK(results[0] == results[1]);
}

TEST_CASE("a NaN in one row stays in that row") {
  auto x = tensor<float, Cpu>({3, 20});
  x.data()[25] = std::numeric_limits<float>::quiet_NaN();
  const auto y = layer_norm(x, Tensor<float>(), Tensor<float>(), 1e-5f).to_vector();
  for (Index i = 0; i < 60; ++i) CHECK(std::isnan(y[i]) == (i / 20 == 1));
}

TEMPLATE_TEST_CASE("an empty batch passes through layer_norm and leaves zero gradients", "", Cpu, Reference) {
  using D = TestType;
  auto x = Tensor<float, D>::empty({0, 4});
  auto gamma = tensor<float, D>({4}), beta = tensor<float, D>({4});
  gamma.requires_grad(true);
  const auto y = layer_norm(x, gamma, beta, 1e-5f);
  CHECK(y.shape() == Shape{0, 4});
  auto total = Tensor<float, D>::scalar(0);
  record_op(
      "test", total, [y](OutputView<float>) { y.gradient().dense(1, 1); }, y);
  total.backward();
  CHECK(gamma.grad().to_vector() == std::vector<float>(4, 0.0f));
}

TEST_CASE("layer_norm names itself where its input does not fit") {
  const auto x = tensor<float, Cpu>({2, 3}), w = tensor<float, Cpu>({3}), bad = tensor<float, Cpu>({4}),
             none = Tensor<float>();
  REQUIRE_ERROR(layer_norm(x, bad, w, 1e-5f), "cloze.layer_norm.1");
  REQUIRE_ERROR(layer_norm(x, w, bad, 1e-5f), "cloze.layer_norm.1");
  REQUIRE_ERROR(layer_norm(Tensor<float>::scalar(1), none, none, 1e-5f), "cloze.layer_norm.1");
  REQUIRE_ERROR(layer_norm(Tensor<float>::empty({3, 0}), none, none, 1e-5f), "cloze.layer_norm.1");
  REQUIRE_ERROR(residual_layer_norm(x, tensor<float, Cpu>({3, 2}), w, w), "cloze.layer_norm.1");
  REQUIRE_ERROR(layer_norm(x, w, w, -1.0f), "cloze.layer_norm.2");
  REQUIRE_ERROR(layer_norm(x, w, w, std::numeric_limits<float>::quiet_NaN()), "cloze.layer_norm.2");
  REQUIRE_ERROR(residual_layer_norm(x, x, w, w, {.dropout = {1.0, 1}}), "cloze.dropout.1");
  const std::vector<Index> three{0, 1, 2}, negative{0, -1};
  REQUIRE_ERROR(residual_layer_norm(x, x, w, w, {.row_ids = three}), "cloze.dropout.2");
  REQUIRE_ERROR(residual_layer_norm(x, x, w, w, {.row_ids = negative}), "cloze.dropout.2");
}
