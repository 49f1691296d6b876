// Norms and factors of gradients and weights, in place.
#pragma once

#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/kernels/device_scale.hpp>

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

/// norm = √(sums[0] + sums[1] + …), added in this order; factor = min(1, max_norm / (norm + 1e-6)). Where the norm is
/// not finite, factor is NaN and `skipped` grows by one.
template <class T>
struct ClipFactorArgs {
  Index count;
  const double* sums;  // [count]
  double max_norm;
  double* norm;        // [1]
  double* skipped;     // [1]
  Compute<T>* factor;  // [1]
};

/// x[r] *= factor for every row r with slots[r] < 0. `master`: as in adamw_args.hpp. Nothing is done where device_scale
/// (device_scale.hpp) is a number that is not finite: a part of an update that was left out.
template <class T>
struct RescaleRowsArgs {
  Index rows, columns;
  const Index* slots;  // [rows]
  T* x;                // [rows, columns]
  Compute<T> factor;
  Compute<T>* master = nullptr;  // [rows, columns] or null
  const Compute<T>* device_scale = nullptr;
};

}  // namespace cloze::kernels
