#include <cloze/autograd/softmax.hpp>

#include <limits>

#include <cloze/core/parallel.hpp>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::relative_error;
using cloze::test::tensor;

namespace {
constexpr double inf = std::numeric_limits<double>::infinity();

/// Gradient of Σ w y at x, for outputs of `f` and fixed weights w.
template <Scalar T, Device D, class F>
std::vector<T> gradient_of(const Tensor<T, D>& x, F f) {
  auto leaf = x.clone();
  leaf.requires_grad(true);
  const auto y = f(leaf);
  const auto weights = tensor<T, D>(y.shape(), 9);
  auto total = Tensor<T, D>::scalar(0);
  record_op(
      "weigh", total,
      [y, weights](OutputView<T>) { copy_elements<D, D>(weights.data(), grad_target(y).data, y.size()); }, y);
  total.backward();
  return leaf.grad().to_vector();
}
}  // namespace

TEMPLATE_TEST_CASE("softmax, log_softmax and logsumexp have the right gradients", "", Cpu, Reference) {
  using D = TestType;
  const auto f = [](const auto& in) { return softmax(in[0]); };
  const auto g = [](const auto& in) { return log_softmax(in[0]); };
  const auto h = [](const auto& in) { return logsumexp(in[0]); };
  for (const Shape shape :
       {Shape{1}, Shape{3}, Shape{2, 16}, Shape{3, 17}, Shape{2, 65}, Shape{2, 3, 5}, Shape{0, 4}, Shape{3, 0}}) {
    CLOZE_GRADCHECK(D, f, shape);
    CLOZE_GRADCHECK(D, g, shape);
    CLOZE_GRADCHECK(D, h, shape);
  }
}

TEMPLATE_TEST_CASE("softmax of known numbers", "", Cpu, Reference) {
  using D = TestType;
  const auto x = Tensor<double, D>::from({0, std::log(2.0), std::log(5.0), 700, 700, -700}, {2, 3});
  const auto p = softmax(x).to_vector(), l = log_softmax(x).to_vector(), s = logsumexp(x).to_vector();
  const std::vector<double> wanted{1 / 8.0, 2 / 8.0, 5 / 8.0, 0.5, 0.5, 0};
  for (std::size_t i = 0; i < 6; ++i) CHECK(p[i] == Approx(wanted[i]).margin(1e-300));
  CHECK(l[0] == Approx(std::log(1 / 8.0)));
  CHECK(l[5] == Approx(-1400 - std::log(2.0)));
  CHECK(s[0] == Approx(std::log(8.0)));
  CHECK(s[1] == Approx(700 + std::log(2.0)));
  CHECK(logsumexp(x).shape() == Shape{2});
}

TEMPLATE_TEST_CASE("huge logits neither overflow nor lose the loss of a certain outcome", "", Cpu, Reference) {
  using D = TestType;
  const auto x = Tensor<float, D>::from({3e38f, -3e38f, 20, 0}, {2, 2});
  CHECK(softmax(x).to_vector()[0] == 1);
  CHECK(softmax(x).to_vector()[1] == 0);
  CHECK(log_softmax(x).to_vector()[0] == 0);
}

TEMPLATE_TEST_CASE("a row without a possible outcome has softmax zero, log_softmax and logsumexp -inf, gradient zero",
                   "", Cpu, Reference) {
  using D = TestType;
  for (const Index n : {1, 3, 16, 17}) {
    std::vector<double> values(static_cast<std::size_t>(2 * n), -inf);
    std::fill(values.begin() + n, values.end(), 0.25);
    const auto x = Tensor<double, D>::from(values, {2, n});
    const auto p = softmax(x).to_vector(), l = log_softmax(x).to_vector();
    const auto dp = gradient_of(x, [](const auto& t) { return softmax(t); });
    const auto dl = gradient_of(x, [](const auto& t) { return log_softmax(t); });
    const auto ds = gradient_of(x, [](const auto& t) { return logsumexp(t); });
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      CHECK(p[i] == 0);
      CHECK(l[i] == -inf);
      CHECK((dp[i] == 0 && dl[i] == 0 && ds[i] == 0));
      CHECK(p[i + static_cast<std::size_t>(n)] == Approx(1.0 / static_cast<double>(n)));  // its neighbour is untouched
      CHECK(std::isfinite(dp[i + static_cast<std::size_t>(n)]));
    }
    CHECK(logsumexp(x).to_vector()[0] == -inf);
    CHECK(ds[static_cast<std::size_t>(n)] != 0);
  }
}

TEMPLATE_TEST_CASE("an impossible entry beside possible ones has probability and gradient zero", "", Cpu, Reference) {
  using D = TestType;
  const auto x = Tensor<double, D>::from({0, -inf, 0}, {1, 3});
  CHECK(softmax(x).to_vector() == std::vector<double>{0.5, 0, 0.5});
  CHECK(log_softmax(x).to_vector()[1] == -inf);
  CHECK(gradient_of(x, [](const auto& t) { return softmax(t); })[1] == 0);
  CHECK(gradient_of(x, [](const auto& t) { return logsumexp(t); })[1] == 0);
}

TEMPLATE_TEST_CASE("NaN and +inf are never hidden", "", Cpu, Reference) {
  using D = TestType;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Index n : {1, 3, 17})
    for (const double bad : {nan, inf})
      for (const double rest : {0.0, -inf})
        for (const Index at : {Index{0}, n - 1}) {
          std::vector<double> values(static_cast<std::size_t>(n), rest);
          values[static_cast<std::size_t>(at)] = bad;
          const auto x = Tensor<double, D>::from(values, {1, n});
          CHECK(std::isnan(softmax(x).to_vector()[static_cast<std::size_t>(at)]));
          CHECK(std::isnan(log_softmax(x).to_vector()[static_cast<std::size_t>(at)]));
          CHECK(std::isnan(logsumexp(x).to_vector()[0]));
        }
}

TEST_CASE("softmax in float agrees with Reference in double, also over a whole vocabulary") {
  for (const Index n : {1, 3, 16, 17, 65, 50265}) {
    const auto x = tensor<float, Cpu>({3, n}, 1);
    const auto r = x.to<Reference, double>();
    CHECK(relative_error(softmax(x).to_vector(), softmax(r).to_vector()) < 1e-6);
    CHECK(relative_error(log_softmax(x).to_vector(), log_softmax(r).to_vector()) < 1e-6);
    CHECK(relative_error(logsumexp(x).to_vector(), logsumexp(r).to_vector()) < 1e-6);
    const auto f = [](const auto& t) { return softmax(t); };
    const auto g = [](const auto& t) { return log_softmax(t); };
    if (n > 1) CHECK(relative_error(gradient_of(x, f), gradient_of(r, f)) < 2e-6);
    if (n > 1) CHECK(relative_error(gradient_of(x, g), gradient_of(r, g)) < 2e-6);
  }
}

TEST_CASE("softmax gives the same bits for any number of threads") {
  const auto run = [](int threads) {
    const int before = num_threads();
    set_num_threads(threads);
    const auto x = tensor<float, Cpu>({97, 1001}, 1);
    auto all = gradient_of(x, [](const auto& t) { return softmax(t); });
    for (const auto& more : {softmax(x).to_vector(), log_softmax(x).to_vector(), logsumexp(x).to_vector(),
                             gradient_of(x, [](const auto& t) { return log_softmax(t); })})
      all.insert(all.end(), more.begin(), more.end());
    set_num_threads(before);
    return all;
  };
  CHECK(run(1) == run(2));
}

TEST_CASE("softmax refuses a scalar") {
  const auto x = Tensor<float>::scalar(1);
  REQUIRE_ERROR(softmax(x), "cloze.softmax.1");
  REQUIRE_ERROR(log_softmax(x), "cloze.softmax.1");
  REQUIRE_ERROR(logsumexp(x), "cloze.softmax.1");
}
