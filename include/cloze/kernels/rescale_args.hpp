// Norms and factors of gradients and weights, in place.
#pragma once

#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>

namespace cloze::kernels {

/// y[0] = Σ x², in double whatever T is: the squares of a float's gradient overflow a float long before its norm does.
template <class T>
struct SquareSumArgs {
  Index size;
  const T* x;  // [size]
  double* y;   // [1]
};

/// x *= factor.
template <class T>
struct RescaleArgs {
  Index size;
  T* x;  // [size]
  Compute<T> factor;
};

/// x[r] *= factor for every row r with slots[r] < 0. `master`: as in adamw_args.hpp.
template <class T>
struct RescaleRowsArgs {
  Index rows, columns;
  const Index* slots;  // [rows]
  T* x;                // [rows, columns]
  Compute<T> factor;
  Compute<T>* master = nullptr;  // [rows, columns] or null
};

}  // namespace cloze::kernels
