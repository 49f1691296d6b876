#include <cloze/autograd/elementwise.hpp>
#include <cloze/autograd/reduce.hpp>

#include <limits>

#include <cloze/core/parallel.hpp>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::relative_error;
using cloze::test::tensor;

namespace {
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr ColumnReduce kinds[] = {ColumnReduce::sum, ColumnReduce::mean, ColumnReduce::max, ColumnReduce::logsumexp};
}  // namespace

TEMPLATE_TEST_CASE("sums and means have the right gradients", "", Cpu, Reference) {
  using D = TestType;
  const auto f_sum = [](const auto& in) { return sum(in[0]); };
  const auto f_mean = [](const auto& in) { return mean(in[0]); };
  const auto f_rows = [](const auto& in) { return sum_rows(in[0]); };
  const auto f_columns = [](const auto& in) { return sum_columns(in[0]); };
  for (const Shape shape : {Shape{1}, Shape{3}, Shape{16}, Shape{17}, Shape{5, 13}, Shape{2, 3, 4}, Shape{2, 65}}) {
    CLOZE_GRADCHECK(D, f_sum, shape);
    CLOZE_GRADCHECK(D, f_mean, shape);
    CLOZE_GRADCHECK(D, f_rows, shape);
    CLOZE_GRADCHECK(D, f_columns, shape);
  }
  CLOZE_GRADCHECK(D, f_sum, Shape{});
  for (const Shape shape : {Shape{0}, Shape{0, 3}, Shape{3, 0}}) {
    CLOZE_GRADCHECK(D, f_sum, shape);
    CLOZE_GRADCHECK(D, f_rows, shape);
    CLOZE_GRADCHECK(D, f_columns, shape);
  }
}

TEMPLATE_TEST_CASE("sums of known numbers", "", Cpu, Reference) {
  using D = TestType;
  const auto x = Tensor<float, D>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(sum(x).item() == 21);
  CHECK(mean(x).item() == 3.5f);
  CHECK(sum(x).shape() == Shape{});
  CHECK(sum_rows(x).to_vector() == std::vector<float>{5, 7, 9});
  CHECK(sum_columns(x).to_vector() == std::vector<float>{6, 15});
  CHECK(sum_rows(Tensor<float, D>::empty({0, 2})).to_vector() == std::vector<float>{0, 0});
  CHECK(sum(Tensor<float, D>::empty({0})).item() == 0);
}

TEST_CASE("the sum of a million floats is right to the last digits") {
  const Index n = 1'000'003;
  std::vector<float> values(n);
  long double wanted = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(1 + 0.001 * static_cast<double>(i % 1000));
    wanted += values[i];
  }
  const auto x = Tensor<float>::from(values, {n});
  CHECK(sum(x).item() == Approx(static_cast<double>(wanted)).epsilon(1e-6));
  const auto rows = Tensor<float>::from(values, {1, n});
  CHECK(sum_columns(rows).item() == Approx(static_cast<double>(wanted)).epsilon(2e-6));
}

TEMPLATE_TEST_CASE("segment_mean averages each sequence's rows and gives zeros for an empty one, with gradients", "",
                   Cpu, Reference) {
  using D = TestType;
  const std::vector<Index> bounds{0, 0, 2, 2, 5, 6, 6};
  const auto f = [&](const auto& in) { return segment_mean(in[0], bounds); };
  for (const Index n : {1, 3, 16, 17, 65}) CLOZE_GRADCHECK(D, f, Shape{6, n});
  const std::vector<Index> none{0}, empty{0, 0};
  const auto f_none = [&](const auto& in) { return segment_mean(in[0], none); };
  CLOZE_GRADCHECK(D, f_none, Shape{0, 3});
  const auto x = Tensor<double, D>::from({1, 2, 3, 4, 5, 6}, {3, 2});
  const std::vector<Index> three{0, 2, 2, 3};
  CHECK(segment_mean(x, three).to_vector() == std::vector<double>{2, 3, 0, 0, 5, 6});
  CHECK(segment_mean(Tensor<double, D>::empty({0, 2}), empty).to_vector() == std::vector<double>{0, 0});
}

TEMPLATE_TEST_CASE("reduce_columns has the right gradients for scores and weights", "", Cpu, Reference) {
  using D = TestType;
  const std::vector<Index> bounds{0, 1, 4, 21, 23};
  for (const ColumnReduce kind : kinds) {
    const auto plain = [&](const auto& in) { return reduce_columns(in[0], bounds, kind); };
    CLOZE_GRADCHECK(D, plain, Shape{1, 23});
    CLOZE_GRADCHECK(D, plain, Shape{3, 23});
    CLOZE_GRADCHECK(D, plain, Shape{0, 23});
    auto x = tensor<double, D>({3, 23}, 1);
    std::vector<double> positive;
    for (const double v : test::numbers(23, 2)) positive.push_back(0.2 + std::abs(v));
    const auto weights = Tensor<double, D>::from(positive, {23});
    const auto report =
        gradcheck<D>([&](const auto& in) { return reduce_columns(in[0], bounds, kind, in[1]); }, {x, weights});
    INFO(report.message);
    CHECK(report.ok);
  }
}

TEMPLATE_TEST_CASE("reduce_columns of known numbers", "", Cpu, Reference) {
  using D = TestType;
  const auto x = Tensor<double, D>::from({1, 2, 5, -1, 0, 3}, {2, 3});
  const auto w = Tensor<double, D>::from({1, 3, 0.5}, {3});
  const std::vector<Index> bounds{0, 2, 3};
  const auto check = [&](ColumnReduce kind, std::vector<double> plain, std::vector<double> weighted) {
    const auto found = reduce_columns(x, bounds, kind).to_vector(),
               heavy = reduce_columns(x, bounds, kind, w).to_vector();
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(found[i] == Approx(plain[i]).margin(1e-15));
      CHECK(heavy[i] == Approx(weighted[i]).margin(1e-15));
    }
  };
  check(ColumnReduce::sum, {3, 5, -1, 3}, {7, 2.5, -1, 1.5});
  check(ColumnReduce::mean, {1.5, 5, -0.5, 3}, {7 / 4.0, 5, -1 / 4.0, 3});
  check(ColumnReduce::max, {2, 5, 0, 3}, {6, 2.5, 0, 1.5});
  check(ColumnReduce::logsumexp, {std::log(std::exp(1) + std::exp(2)), 5, std::log(std::exp(-1) + 1), 3},
        {std::log(std::exp(1) + 3 * std::exp(2)), 5 + std::log(0.5), std::log(std::exp(-1) + 3), 3 + std::log(0.5)});
}

TEMPLATE_TEST_CASE("reduce_columns meets huge, impossible, left-out and broken scores", "", Cpu, Reference) {
  using D = TestType;
  const std::vector<Index> bounds{0, 2};
  const auto one = [&](double a, double b, ColumnReduce kind, double wa = 1, double wb = 1) {
    auto x = Tensor<double, D>::from({a, b}, {1, 2}), w = Tensor<double, D>::from({wa, wb}, {2});
    x.requires_grad(true), w.requires_grad(true);
    const auto y = reduce_columns(x, bounds, kind, w);
    auto total = Tensor<double, D>::scalar(0);
    record_op(
        "one", total,
        [y](OutputView<double>) {
          const double g = 1;
          copy_elements<Cpu, D>(&g, grad_target(y).data, 1);
        },
        y);
    total.backward();
    return std::array{y.item(), x.grad().to_vector()[0], x.grad().to_vector()[1]};
  };
  CHECK(one(1e4, 1e4, ColumnReduce::logsumexp)[0] == Approx(1e4 + std::log(2.0)));
  CHECK(one(-inf, -inf, ColumnReduce::logsumexp) == std::array{-inf, 0.0, 0.0});
  CHECK(one(-inf, 3, ColumnReduce::logsumexp) == std::array{3.0, 0.0, 1.0});
  CHECK(one(1000, 3, ColumnReduce::logsumexp, 0, 1) == std::array{3.0, 0.0, 1.0});
  CHECK(one(2, 2, ColumnReduce::max) == std::array{2.0, 1.0, 0.0});  // the first of equals
  CHECK(one(-inf, -inf, ColumnReduce::max) == std::array{-inf, 1.0, 0.0});
  const double nan = std::nan("");
  for (const ColumnReduce kind : kinds) {
    CHECK(std::isnan(one(nan, 1, kind)[0]));
    CHECK(std::isnan(one(1, nan, kind)[0]));
    CHECK(std::isnan(one(nan, -inf, kind)[0]));
  }
}

TEST_CASE("reductions in float agree with Reference in double") {
  for (const Index n : {1, 3, 16, 17, 65, 1000}) {
    const auto x = tensor<float, Cpu>({7, n}, 1), w = tensor<float, Cpu>({n}, 2);
    const auto rx = x.to<Reference, double>(), rw = w.to<Reference, double>();
    const auto check = [](const auto& fast, const auto& slow) {
      CHECK(relative_error(fast.to_vector(), slow.to_vector()) < 5e-6);
    };
    check(sum(x) + Tensor<float>::scalar(10), sum(rx) + Tensor<double, Reference>::scalar(10));
    check(sum_rows(x), sum_rows(rx));
    check(sum_columns(x), sum_columns(rx));
    const std::vector<Index> rows{0, 3, 7}, columns{0, n};
    check(segment_mean(x, rows), segment_mean(rx, rows));
    for (const ColumnReduce kind : {ColumnReduce::sum, ColumnReduce::max, ColumnReduce::logsumexp})
      check(reduce_columns(x, columns, kind), reduce_columns(rx, columns, kind));
    check(reduce_columns(x, columns, ColumnReduce::sum, w), reduce_columns(rx, columns, ColumnReduce::sum, rw));
  }
}

TEST_CASE("reductions give the same bits for any number of threads") {
  const auto run = [](int threads) {
    const int before = num_threads();
    set_num_threads(threads);
    auto x = tensor<float, Cpu>({1001, 203}, 1), w = tensor<float, Cpu>({203}, 2);
    x.requires_grad(true), w.requires_grad(true);
    std::vector<float> all;
    const auto keep = [&](const Tensor<float>& y) {
      const auto total = mean(y);
      total.backward();
      for (const auto& v : {y.to_vector(), total.to_vector(), x.grad().to_vector()})
        all.insert(all.end(), v.begin(), v.end());
    };
    const std::vector<Index> rows{0, 10, 500, 1001}, columns{0, 3, 100, 203};
    keep(x);
    keep(sum_rows(x));
    keep(sum_columns(x));
    keep(segment_mean(x, rows));
    for (const ColumnReduce kind : kinds) keep(reduce_columns(x, columns, kind, w));
    const auto dw = w.grad().to_vector();
    all.insert(all.end(), dw.begin(), dw.end());
    set_num_threads(before);
    return all;
  };
  const auto one = run(1), two = run(2);
  REQUIRE(one.size() == two.size());
  bool same = true;  // logsumexp of negative weights may be NaN, which differs from itself
  for (std::size_t i = 0; i < one.size(); ++i)
    same = same && (one[i] == two[i] || (std::isnan(one[i]) && std::isnan(two[i])));
  CHECK(same);
}

TEST_CASE("reductions name themselves where shapes or bounds do not fit") {
  const auto x = tensor<float, Cpu>({4, 3}), scalar = Tensor<float>::scalar(1);
  REQUIRE_ERROR(mean(Tensor<float>::empty({0, 3})), "cloze.reduce.1");
  REQUIRE_ERROR(sum_rows(scalar), "cloze.reduce.2");
  REQUIRE_ERROR(sum_columns(scalar), "cloze.reduce.2");
  const auto segments = [&](std::vector<Index> bounds) { return segment_mean(x, bounds); };
  REQUIRE_ERROR(segments({}), "cloze.reduce.3");
  REQUIRE_ERROR(segments({0}), "cloze.reduce.3");
  REQUIRE_ERROR(segments({1, 4}), "cloze.reduce.3");
  REQUIRE_ERROR(segments({0, 3}), "cloze.reduce.3");
  REQUIRE_ERROR(segments({0, 5}), "cloze.reduce.3");
  REQUIRE_ERROR(segments({0, 3, 2, 4}), "cloze.reduce.3");
  REQUIRE_ERROR(segments({0, 9, 4}), "cloze.reduce.3");
  REQUIRE_ERROR(segment_mean(scalar, std::vector<Index>{0, 1}), "cloze.reduce.3");
  const auto groups = [&](std::vector<Index> bounds, Tensor<float> weights = {}) {
    return reduce_columns(x, bounds, ColumnReduce::sum, weights);
  };
  REQUIRE_ERROR(groups({}), "cloze.reduce.4");
  REQUIRE_ERROR(groups({0, 2, 2, 3}), "cloze.reduce.4");
  REQUIRE_ERROR(groups({0, 2}), "cloze.reduce.4");
  REQUIRE_ERROR(groups({0, 4, 3}), "cloze.reduce.4");
  REQUIRE_ERROR(groups({0, 3}, tensor<float, Cpu>({2})), "cloze.reduce.4");
  REQUIRE_ERROR(reduce_columns(scalar, std::vector<Index>{0, 1}, ColumnReduce::sum), "cloze.reduce.4");
}
