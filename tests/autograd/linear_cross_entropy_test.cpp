#include <cloze/autograd/linear_cross_entropy.hpp>

#include <cloze/autograd/linear.hpp>
#include <cloze/autograd/reduce.hpp>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::relative_error;
using cloze::test::tensor;

namespace {

std::vector<Index> labels_below(Index classes, Index rows) {
  std::vector<Index> labels(static_cast<std::size_t>(rows));
  for (std::size_t r = 0; r < labels.size(); ++r) labels[r] = r % 5 == 3 ? -100 : Index(r * 7919 + 3) % classes;
  return labels;
}

struct Found {
  std::vector<double> loss, dx, dw, db;
};

template <class T, class D>
Found found(Index rows, Index in, Index classes, const CrossEntropyOptions& options, bool fused) {
  auto x = tensor<T, D>({rows, in}, 1), w = tensor<T, D>({classes, in}, 2), b = tensor<T, D>({classes}, 3);
  for (auto* each : {&x, &w, &b}) each->requires_grad(true);
  const auto labels = labels_below(classes, rows);
  const auto y = fused ? linear_cross_entropy(x, w, b, labels, options)
                       : cross_entropy(linear(x, w, b), std::span<const Index>(labels), options);
  (y.rank() == 0 ? y : sum(y)).backward();
  const auto numbers = [](const auto& t) {
    const auto v = t.to_vector();
    return std::vector<double>(v.begin(), v.end());
  };
  return {numbers(y), numbers(x.grad()), numbers(w.grad()), numbers(b.grad())};
}

}  // namespace

TEMPLATE_TEST_CASE("linear_cross_entropy is cross_entropy of linear, in one block of rows or several", "", Cpu,
                   Reference) {
  struct Case {
    Index rows, in, classes;
  };
  // 65 rows of 70,001 classes are two blocks (64 rows and 1), the others one.
  for (const auto& [rows, in, classes] : {Case{1, 1, 2}, Case{3, 16, 17}, Case{33, 5, 300}, Case{65, 2, 70'001}}) {
    for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
      if (rows == 65 && reduction == Reduction::sum) continue;
      const CrossEntropyOptions options{.label_smoothing = rows == 33 ? 0.1 : 0, .reduction = reduction};
      CAPTURE(rows, in, classes, int(reduction));
      const auto wanted = found<double, TestType>(rows, in, classes, options, false);
      const auto got = found<double, TestType>(rows, in, classes, options, true);
      CHECK(relative_error(got.loss, wanted.loss) < 1e-13);
      CHECK(relative_error(got.dx, wanted.dx) < 1e-13);
      CHECK(relative_error(got.dw, wanted.dw) < 1e-13);
      CHECK(relative_error(got.db, wanted.db) < 1e-13);
    }
  }
}

TEST_CASE("linear_cross_entropy in float is as exact as the two operations") {
  const CrossEntropyOptions options;
  const auto exact = found<double, Reference>(40, 24, 1000, options, false);
  const auto got = found<float, Cpu>(40, 24, 1000, options, true);
  CHECK(relative_error(got.loss, exact.loss) < 1e-6);
  CHECK(relative_error(got.dx, exact.dx) < 1e-5);
  CHECK(relative_error(got.dw, exact.dw) < 1e-5);
  CHECK(relative_error(got.db, exact.db) < 1e-5);
}

TEMPLATE_TEST_CASE("linear_cross_entropy passes the gradient check", "", Cpu, Reference) {
  const std::vector<Index> labels = {2, 0, -100, 4};
  CLOZE_GRADCHECK(
      TestType, [&](const auto& in) { return linear_cross_entropy(in[0], in[1], in[2], labels); }, Shape({4, 3}),
      Shape({5, 3}), Shape({5}));
}

TEST_CASE("linear_cross_entropy names what does not fit") {
  const auto x = tensor<float, Cpu>({2, 3}), w = tensor<float, Cpu>({5, 3}), none = Tensor<float, Cpu>();
  const std::vector<Index> labels = {0, 1}, beyond = {0, 5}, ignored = {-100, -100};
  CHECK(linear_cross_entropy(x, w, none, labels).item() > 0);
  REQUIRE_ERROR(linear_cross_entropy(x, tensor<float, Cpu>({5, 4}), none, labels), "cloze.linear.1");
  REQUIRE_ERROR(linear_cross_entropy(x, w, tensor<float, Cpu>({4}), labels), "cloze.linear.1");
  REQUIRE_ERROR(linear_cross_entropy(x, w, none, std::span(labels).first(1)), "cloze.losses.1");
  REQUIRE_ERROR(linear_cross_entropy(x, w, none, beyond), "cloze.losses.2");
  REQUIRE_ERROR(linear_cross_entropy(x, w, none, labels, {.label_smoothing = 2}), "cloze.losses.3");
  REQUIRE_ERROR(linear_cross_entropy(x, w, none, ignored), "cloze.losses.4");
}
