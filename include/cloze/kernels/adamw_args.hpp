// One AdamW step on some parameter: every number it needs, and which rows it is for.
#pragma once

#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/kernels/device_scale.hpp>

namespace cloze::kernels {

/// The factors of one step, worked out in double from the options and the step number (train/adamw.hpp).
template <class T>
struct AdamWFactors {
  T keep;       // 1 - lr * weight_decay
  T one_beta1;  // 1 - beta1
  T beta2;
  T one_beta2;  // 1 - beta2
  T step_size;  // lr / (1 - beta1^step)
  T root;       // sqrt(1 - beta2^step)
  T eps;
  T grad_scale;  // of every gradient, before all else
};

// Weights of 16 bits are too coarse for small updates: those of the calls below that get `master` update it instead, a
// copy of the weights in full precision, and round it to the weights. Reference and Cpu have no such elements.
// `device_scale`: as in device_scale.hpp.

/// For every element: g *= grad_scale; w *= keep; m += one_beta1 (g - m); v = beta2 v + one_beta2 g²; w -= step_size m
/// / (√v / root + eps).
template <class T>
struct AdamWArgs {
  Index size;
  T* weight;      // [size]
  const T* grad;  // [size]
  Compute<T>* m;  // [size]
  Compute<T>* v;  // [size]
  AdamWFactors<Compute<T>> factors;
  Compute<T>* master = nullptr;  // [size] or null
  const Compute<T>* device_scale = nullptr;
};

/// The same for the rows of a table that gradients ever reached. Slot i of the moments belongs to row rows[i]; its
/// gradient is row grad_rows[i] of `grads`, or zeros where that is -1.
template <class T>
struct AdamWRowsArgs {
  Index count, columns;
  const Index* rows;       // [count] distinct
  const Index* grad_rows;  // [count]
  T* weight;               // [all rows, columns]
  const T* grads;          // [touched now, columns]
  Compute<T>* m;           // [count, columns]
  Compute<T>* v;           // [count, columns]
  AdamWFactors<Compute<T>> factors;
  Compute<T>* master = nullptr;  // [all rows, columns] or null
  const Compute<T>* device_scale = nullptr;
};

}  // namespace cloze::kernels
