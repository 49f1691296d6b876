#include <cloze/autograd/gradcheck.hpp>

#include <cloze/autograd/elementwise.hpp>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::tensor;

namespace {

/// x², whose gradient `slope` computes from x, dy and the index: right, or wrong in one of many ways.
template <Device D, class Slope>
Tensor<double, D> square(const Tensor<double, D>& x, Slope slope, bool overwrite = false) {
  auto y = Tensor<double, D>::empty(x.shape());
  for (Index i = 0; i < x.size(); ++i) y.data()[i] = x.data()[i] * x.data()[i];
  if (!wants_grad(x)) return y;
  record_op(
      "square", y,
      [x, slope, overwrite](OutputView<double> result) {
        const auto dx = grad_target(x);
        for (Index i = 0; i < x.size(); ++i) {
          const double g = slope(x.data()[i], result.grad[i], i);
          dx.data[i] = dx.add && !overwrite ? dx.data[i] + g : g;
        }
      },
      x);
  return y;
}

template <Device D, class Slope>
GradcheckReport check(Slope slope, bool overwrite = false) {
  return gradcheck<D>([&](const auto& in) { return square(in[0], slope, overwrite); }, {tensor<double, D>({3, 5})});
}

}  // namespace

TEMPLATE_TEST_CASE("gradcheck accepts a right gradient and says how far off it was", "", Cpu, Reference) {
  const auto report = check<TestType>([](double x, double dy, Index) { return 2 * x * dy; });
  CHECK(report.ok);
  CHECK(report.message.empty());
  CHECK((report.worst > 0 && report.worst < 1e-8));
}

TEMPLATE_TEST_CASE("gradcheck catches wrong gradients", "", Cpu, Reference) {
  using D = TestType;
  const auto wrong = [](const GradcheckReport& report) {
    CHECK_FALSE(report.ok);
    CHECK(report.message.find("input 0, element") == 0);
  };
  wrong(check<D>([](double x, double dy, Index) { return x * dy; }));                      // a lost factor
  wrong(check<D>([](double x, double dy, Index) { return -2 * x * dy; }));                 // a wrong sign
  wrong(check<D>([](double x, double dy, Index) { return 2.00001 * x * dy; }));            // slightly off
  wrong(check<D>([](double x, double, Index) { return 2 * x; }));                          // dy ignored
  wrong(check<D>([](double x, double dy, Index i) { return i == 14 ? 0 : 2 * x * dy; }));  // the last element missed
  wrong(check<D>([](double, double, Index) { return 0.0; }));                              // no gradient
  wrong(check<D>([](double, double, Index) { return std::nan(""); }));                     // NaN
  wrong(check<D>([](double x, double dy, Index) { return 2 * x * dy; }, /*overwrite=*/true));  // adds nothing up
}

TEST_CASE("gradcheck catches an operation that forgot to record itself") {
  const auto report = gradcheck<Cpu>([](const auto& in) { return in[0].clone(); }, {tensor<double, Cpu>({3})});
  CHECK_FALSE(report.ok);
}

TEST_CASE("gradcheck leaves its inputs as they were") {
  const auto x = tensor<double, Cpu>({7});
  const auto before = x.to_vector();
  CHECK(gradcheck<Cpu>([](const auto& in) { return in[0] * in[0]; }, {x}).ok);
  CHECK(x.to_vector() == before);
}
