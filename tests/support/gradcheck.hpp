// What every test of an operation needs: tensors of fixed uneven numbers, the gradient check on both devices,
// comparisons.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <cloze/autograd/gradcheck.hpp>

#include "support/catch.hpp"

namespace cloze::test {

/// Numbers in about [-1, 1] that repeat nowhere and depend on `seed` only.
inline std::vector<double> numbers(Index size, int seed = 1) {
  std::vector<double> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(1.7 * static_cast<double>(i + 1) * (1 + 0.013 * seed) + seed) * 0.9 +
                0.05 * std::cos(double(i * i % 97));
  return values;
}

template <Scalar T, Device D>
Tensor<T, D> tensor(Shape shape, int seed = 1) {
  const auto values = numbers(shape.size(), seed);
  return Tensor<T, D>::from(std::vector<T>(values.begin(), values.end()), shape);
}

/// A number whose gradient with respect to y is weight(0), weight(1), …
template <Scalar T, Device D, class Weight>
Tensor<T, D> weighted(const Tensor<T, D>& y, Weight weight) {
  auto total = Tensor<T, D>::scalar(0);
  record_op(
      "test", total,
      [y, weight](OutputView<T>) {
        const auto target = y.gradient().dense(y.size(), 1);
        for (Index i = 0; i < y.size(); ++i) target.data[i] = static_cast<T>(weight(i));
      },
      y);
  return total;
}

/// Largest difference, relative to the largest absolute value of `wanted` (at least 1e-30).
template <class A, class B>
double relative_error(const std::vector<A>& found, const std::vector<B>& wanted) {
  if (found.size() != wanted.size()) return HUGE_VAL;
  double worst = 0, scale = 1e-30;
  for (const auto w : wanted) scale = std::max(scale, std::abs(static_cast<double>(w)));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double error = std::abs(static_cast<double>(found[i]) - static_cast<double>(wanted[i]));
    if (!(error <= worst)) worst = error;  // keeps a NaN
  }
  return worst / scale;
}

}  // namespace cloze::test

/// Gradient check in double on device D of a generic lambda from a vector of tensors to a tensor, at these inputs'
/// shapes.
#define CLOZE_GRADCHECK(D, f, ...)                                                       \
  do {                                                                                   \
    std::vector<cloze::Tensor<double, D>> cloze_inputs;                                  \
    int cloze_seed = 1;                                                                  \
    for (const cloze::Shape& cloze_shape : {__VA_ARGS__})                                \
      cloze_inputs.push_back(cloze::test::tensor<double, D>(cloze_shape, cloze_seed++)); \
    const auto cloze_report = cloze::gradcheck<D>(f, cloze_inputs);                      \
    INFO(cloze_report.message);                                                          \
    CHECK(cloze_report.ok);                                                              \
  } while (false)
