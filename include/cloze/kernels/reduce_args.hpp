// Sums over everything, over columns and over rows by segment, and how their gradients spread back.
#pragma once

#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// y[0] = scale · Σ x.
template <class T>
struct SumArgs {
  Index size;
  const T* x;  // [size]
  Compute<T> scale;
  T* y;  // [1]
};

/// y[r] = Σ_c x[r, c].
template <class T>
struct RowSumArgs {
  Index rows, columns;
  const T* x;  // [rows, columns]
  T* y;        // [rows]
};

/// dx[r, c] = scale · dy[r · step], written or added: step 0 spreads one number, step 1 one number a row.
template <class T>
struct SpreadArgs {
  Index rows, columns;
  const T* dy;
  Index step;
  Compute<T> scale;
  GradTarget<T> dx;  // [rows, columns]
};

/// y[s, c] = Σ x[r, c] over the rows [bounds[s], bounds[s + 1]), divided by their number where `mean`; an empty segment
/// gives zeros.
template <class T>
struct SegmentSumArgs {
  Index segments, columns;
  const Index* bounds;  // [segments + 1] from 0 to the rows of x, never falling
  const T* x;           // [rows, columns]
  bool mean;
  T* y;  // [segments, columns]
};

/// The way back: dx[r, c] = dy[segment of r, c], divided by the segment's rows where `mean`; written or added.
template <class T>
struct SegmentSpreadArgs {
  Index segments, columns;
  const Index* bounds;  // [segments + 1]
  const T* dy;          // [segments, columns]
  bool mean;
  GradTarget<T> dx;  // [rows, columns]
};

}  // namespace cloze::kernels
