// One SGD step on some parameter, whole or by rows.
#pragma once

#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/kernels/device_scale.hpp>

namespace cloze::kernels {

/// The factors of one step.
template <class T>
struct SgdFactors {
  T lr;
  T weight_decay;  // the classic one: added to the gradient
  T momentum;
  T fresh;  // what of a gradient enters the momentum: 1 - dampening, 1 on the first step
  bool nesterov;
  T grad_scale;  // of every gradient, before all else
};

// `master`: as in adamw_args.hpp; `device_scale`: as in device_scale.hpp.

/// For every element: g *= grad_scale; g += weight_decay w; with momentum: b = momentum b + fresh g, and g becomes b
/// (Nesterov: g + momentum b); then w -= lr g.
template <class T>
struct SgdArgs {
  Index size;
  T* weight;             // [size]
  const T* grad;         // [size]
  Compute<T>* momentum;  // [size], or null where there is none
  SgdFactors<Compute<T>> factors;
  Compute<T>* master = nullptr;  // [size] or null
  const Compute<T>* device_scale = nullptr;
};

/// The same for some rows of a table. Row rows[i] has slot i of the momentum, and row grad_rows[i] of `grads`, or zeros
/// where that is -1.
template <class T>
struct SgdRowsArgs {
  Index count, columns;
  const Index* rows;       // [count] distinct
  const Index* grad_rows;  // [count]
  T* weight;               // [all rows, columns]
  const T* grads;          // [touched now, columns]
  Compute<T>* momentum;    // [count, columns] or null
  SgdFactors<Compute<T>> factors;
  Compute<T>* master = nullptr;  // [all rows, columns] or null
  const Compute<T>* device_scale = nullptr;
};

}  // namespace cloze::kernels
