#include <cloze/autograd/dropout.hpp>

#include <limits>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::tensor;

TEMPLATE_TEST_CASE("dropout's gradient goes through the mask of the forward pass", "", Cpu, Reference) {
  using D = TestType;
  const auto f = [](const auto& in) { return dropout(in[0], {0.5, 11}); };
  CLOZE_GRADCHECK(D, f, Shape{3, 17});
  CLOZE_GRADCHECK(D, f, Shape{2, 2, 130});
  CLOZE_GRADCHECK(D, f, Shape{1});
  const std::vector<Index> rows{9, 2};
  const auto some = [&](const auto& in) { return dropout(in[0], {0.5, 11}, rows); };
  CLOZE_GRADCHECK(D, some, Shape{2, 7});
}

TEST_CASE("dropout keeps the share it says, and its mean") {
  const Index rows = 500, columns = 800;
  const auto ones = Tensor<double>::full({rows, columns}, 1.0);
  for (const double p : {0.1, 0.5, 0.9}) {
    const auto y = dropout(ones, {p, 42}).to_vector();
    double kept = 0, sum = 0;
    for (const double v : y) {
      kept += v != 0;
      sum += v;
    }
    const double n = static_cast<double>(y.size()), deviation = std::sqrt(p * (1 - p) / n);
    CHECK(std::abs(kept / n - (1 - p)) < 4 * deviation + 1.0 / 65536);
    CHECK(std::abs(sum / n - 1) < 4 * deviation / (1 - p));
  }
}

TEST_CASE("neighbouring rows, columns and keys draw independently") {
  const Index n = 512;
  const auto ones = Tensor<double>::full({n, n}, 1.0);
  const auto a = dropout(ones, {0.5, 1}).to_vector(), b = dropout(ones, {0.5, 2}).to_vector();
  const auto agree = [&](const std::vector<double>& x, const std::vector<double>& y, Index shift) {
    Index same = 0;
    const Index total = n * n - shift;
    for (Index i = 0; i < total; ++i) same += (x[i] != 0) == (y[i + shift] != 0);
    return static_cast<double>(same) / static_cast<double>(total);
  };
  for (const double share :
       {agree(a, b, 0), agree(a, a, 1), agree(a, a, 16), agree(a, a, 128), agree(a, a, n), agree(a, a, 8 * n)})
    CHECK(std::abs(share - 0.5) < 4 * 0.5 / static_cast<double>(n));
}

TEST_CASE("both devices draw the same mask") {
  for (const Index n : {1, 3, 16, 17, 127, 128, 129, 1000}) {
    const auto x = tensor<float, Cpu>({5, n});
    CHECK(dropout(x, {0.3, 77}).to_vector() == dropout(x.to<Reference>(), {0.3, 77}).to_vector());
  }
}

TEMPLATE_TEST_CASE("row ids let some rows draw the mask of the whole", "", Cpu, Reference) {
  using D = TestType;
  const auto all = dropout(Tensor<float, D>::full({6, 40}, 1), {0.5, 3}).to_vector();
  const std::vector<Index> rows{5, 0, 2};
  const auto some = dropout(Tensor<float, D>::full({3, 40}, 1), {0.5, 3}, rows).to_vector();
  for (Index r = 0; r < 3; ++r)
    for (Index c = 0; c < 40; ++c) CHECK(some[r * 40 + c] == all[rows[r] * 40 + c]);
}

TEST_CASE("dropout of nothing is nothing") {
  const auto x = tensor<float, Cpu>({2, 3});
  CHECK(dropout(x, {0, 5}).same_as(x));
  CHECK(dropout(Tensor<float>::empty({0, 3}), {0.5, 5}).shape() == Shape{0, 3});
  CHECK(dropout(Tensor<float>::empty({3, 0}), {0.5, 5}).shape() == Shape{3, 0});
}

TEST_CASE("a dropout probability outside [0, 1) is refused") {
  const auto x = tensor<float, Cpu>({2, 3});
  for (const double p : {1.0, -0.1, 1.5, std::numeric_limits<double>::quiet_NaN(), HUGE_VAL})
    REQUIRE_ERROR(dropout(x, {p, 1}), "cloze.dropout.1");
  const std::vector<Index> one{0}, negative{0, -3};
  REQUIRE_ERROR(dropout(x, {0.5, 1}, one), "cloze.dropout.2");
  REQUIRE_ERROR(dropout(x, {0.5, 1}, negative), "cloze.dropout.2");
}
