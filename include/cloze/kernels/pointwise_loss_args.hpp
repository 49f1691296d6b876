// Losses of one number against one target: squared error, binary cross entropy on logits, Kullback-Leibler terms.
#pragma once

#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// squared: (x - t)².  binary: max(x, 0) - x t + log(1 + exp(-|x|)).  divergence: t (log t - x), 0 where t = 0.
enum class PointwiseLoss { squared, binary, divergence };

/// y = loss(x, t) element by element, or, unless `each`, summed over each row.
template <class T>
struct PointwiseLossArgs {
  PointwiseLoss kind;
  Index rows, columns;
  const T* x;  // [rows, columns]
  const T* t;  // [rows, columns]
  bool each;
  T* y;  // [rows, columns] or [rows]
};

/// dx = g ∂loss/∂x and dt = g ∂loss/∂t with g = scale · dy[i · step]. Where a divergence's target is 0, both are 0.
template <class T>
struct PointwiseLossBackwardArgs {
  PointwiseLoss kind;
  Index size;
  const T* x;
  const T* t;
  const T* dy;
  Index step;
  Compute<T> scale;
  GradTarget<T> dx, dt;  // [size]
};

}  // namespace cloze::kernels
