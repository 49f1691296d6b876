// What the tests of attention share: lengths of packed sequences, and a loss with an uneven gradient.
#pragma once

#include <cmath>
#include <vector>

#include "support/gradcheck.hpp"

namespace cloze::test {

using Lengths = std::vector<Index>;

inline Lengths cumulative(const Lengths& lengths) {
  Lengths sums{0};
  for (const Index n : lengths) sums.push_back(sums.back() + n);
  return sums;
}

/// A number whose gradient with respect to y is uneven and fixed.
template <Scalar T, Device D>
Tensor<T, D> weighted(const Tensor<T, D>& y) {
  auto total = Tensor<T, D>::scalar(0);
  record_op(
      "test", total,
      [y](OutputView<T>) {
        const auto target = y.gradient().dense(y.size(), 1);
        for (Index i = 0; i < y.size(); ++i) target.data[i] = static_cast<T>(std::cos(0.37 * static_cast<double>(i)));
      },
      y);
  return total;
}

}  // namespace cloze::test
