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
  return weighted(y, [](Index i) { return std::cos(0.37 * static_cast<double>(i)); });
}

}  // namespace cloze::test
