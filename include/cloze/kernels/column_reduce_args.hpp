// Columns gathered into groups: the scores of words into the scores of labels.
#pragma once

#include <cloze/core/ids.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze {

/// How the columns x_j of a group, with weights w_j (1 where there are none), become one number:
/// sum: Σ w x.  mean: Σ w x / Σ w.  max: the largest w x.  logsumexp: log Σ w exp(x), for w >= 0.
enum class ColumnReduce { sum, mean, max, logsumexp };

namespace kernels {

/// y[r, g] over the columns [bounds[g], bounds[g + 1]) of row r. No group is empty.
template <class T>
struct ColumnReduceArgs {
  Index rows, groups, columns;
  const Index* bounds;  // [groups + 1] from 0 to columns, rising
  ColumnReduce kind;
  const T* x;        // [rows, columns]
  const T* weights;  // [columns] or null
  T* y;              // [rows, groups]
};

/// Gradients of the above. The gradient of a maximum goes to the first column that reaches it; a group whose logsumexp
/// is -inf passes nothing on.
template <class T>
struct ColumnReduceBackwardArgs {
  Index rows, groups, columns;
  const Index* bounds;
  ColumnReduce kind;
  const T* x;
  const T* weights;
  const T* y;              // [rows, groups]
  const T* dy;             // [rows, groups]
  GradTarget<T> dx;        // [rows, columns]
  GradTarget<T> dweights;  // [columns]
};

}  // namespace kernels
}  // namespace cloze
