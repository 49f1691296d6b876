// Sums and means: of everything, of rows, of columns, of segments and of groups of columns.
#pragma once

#include <span>

#include <cloze/autograd/op.hpp>
#include <cloze/kernels/column_reduce.hpp>
#include <cloze/kernels/reduce.hpp>

namespace cloze {

namespace detail {

template <Scalar T, Device D>
Tensor<T, D> scaled_sum(const char* op, const Tensor<T, D>& x, Compute<T> factor) {
  auto y = Tensor<T, D>::empty({});
  kernels::sum_all(D{}, kernels::SumArgs<T>{x.size(), x.data(), factor, y.data()});
  if (!wants_grad(x)) return y;
  record_op(
      op, y,
      [x, factor](OutputView<T> result) {
        if (const auto dx = grad_target(x); dx.data)
          kernels::spread(D{}, kernels::SpreadArgs<T>{x.rows(), x.columns(), result.grad, 0, factor, dx});
      },
      x);
  return y;
}

/// Bounds of consecutive runs: they start at 0, end at `size` and never fall; with `rising`, no run is empty.
inline void require_bounds(const char* op, const char* id, std::span<const Index> bounds, Index size, bool rising) {
  if (bounds.empty()) fail(id, "{}: no bounds: wanted at least the 0 that they start at", op);
  require(bounds.front() == 0 && bounds.back() == size, id, "{}: {} bounds from {} to {}, wanted from 0 to {}", op,
          bounds.size(), bounds.front(), bounds.back(), size);
  for (std::size_t i = 1; i < bounds.size(); ++i)
    require(bounds[i] > bounds[i - 1] || (!rising && bounds[i] == bounds[i - 1]), id,
            "{}: bounds {} and {} are {} and {}: they must {}", op, i - 1, i, bounds[i - 1], bounds[i],
            rising ? "rise (no group is empty)" : "not fall");
}

template <Scalar T, Device D>
Tensor<T, D> segments(const char* op, const Tensor<T, D>& x, std::span<const Index> bounds, Shape shape, bool mean) {
  auto y = Tensor<T, D>::empty(shape);
  const Index count = static_cast<Index>(bounds.size()) - 1, columns = x.columns();
  kernels::segment_sum(D{}, kernels::SegmentSumArgs<T>{count, columns, bounds.data(), x.data(), mean, y.data()});
  if (!wants_grad(x)) return y;
  record_op(
      op, y,
      [x, at = List<Index>(bounds.begin(), bounds.end()), count, columns, mean](OutputView<T> result) {
        if (const auto dx = grad_target(x); dx.data)
          kernels::segment_spread(D{}, kernels::SegmentSpreadArgs<T>{count, columns, at.data(), result.grad, mean, dx});
      },
      x);
  return y;
}

}  // namespace detail

/// Σ x, a scalar; 0 where x is empty.
template <Scalar T, Device D>
Tensor<T, D> sum(const Tensor<T, D>& x) {
  return detail::scaled_sum("sum", x, Compute<T>(1));
}

/// The mean of all elements, a scalar.  Throws [cloze.reduce.1] where there are none.
template <Scalar T, Device D>
Tensor<T, D> mean(const Tensor<T, D>& x) {
  require(x.size() > 0, "cloze.reduce.1", "mean: a tensor of shape {} has no elements", x.shape());
  return detail::scaled_sum("mean", x, Compute<T>(1) / static_cast<Compute<T>>(x.size()));
}

/// The sum over the rows.   x [..., n]  ->  [n].  Throws [cloze.reduce.2] where x is a scalar.
template <Scalar T, Device D>
Tensor<T, D> sum_rows(const Tensor<T, D>& x) {
  require(x.rank() >= 1, "cloze.reduce.2", "sum_rows: wanted [..., n], found a scalar");
  const Index bounds[] = {0, x.rows()};
  return detail::segments("sum_rows", x, bounds, {x.columns()}, false);
}

/// The sum over the columns.   x [..., n]  ->  [rows].  Throws [cloze.reduce.2] where x is a scalar.
template <Scalar T, Device D>
Tensor<T, D> sum_columns(const Tensor<T, D>& x) {
  require(x.rank() >= 1, "cloze.reduce.2", "sum_columns: wanted [..., n], found a scalar");
  auto y = Tensor<T, D>::empty({x.rows()});
  kernels::row_sum(D{}, kernels::RowSumArgs<T>{x.rows(), x.columns(), x.data(), y.data()});
  if (!wants_grad(x)) return y;
  record_op(
      "sum_columns", y,
      [x](OutputView<T> result) {
        if (const auto dx = grad_target(x); dx.data)
          kernels::spread(D{}, kernels::SpreadArgs<T>{x.rows(), x.columns(), result.grad, 1, Compute<T>(1), dx});
      },
      x);
  return y;
}

/// The mean of each sequence's rows; zeros where a sequence is empty.
///   x [tokens, n], bounds [sequences + 1] from 0 to tokens, never falling  ->  [sequences, n]
/// Throws [cloze.reduce.3] where x is not a matrix or the bounds do not fit it.
template <Scalar T, Device D>
Tensor<T, D> segment_mean(const Tensor<T, D>& x, std::span<const Index> bounds) {
  require(x.rank() == 2, "cloze.reduce.3", "segment_mean: wanted [tokens, n], found {}", x.shape());
  detail::require_bounds("segment_mean", "cloze.reduce.3", bounds, x.rows(), false);
  return detail::segments("segment_mean", x, bounds, {static_cast<Index>(bounds.size()) - 1, x.columns()}, true);
}

/// Groups of consecutive columns into one each, as `kind` says: the scores of words into the scores of labels.
///   x [n, words], bounds [groups + 1] from 0 to words, rising, weights [words] or undefined  ->  [n, groups]
/// Gradients reach x and weights. Throws [cloze.reduce.4] where shapes or bounds do not fit.
template <Scalar T, Device D>
Tensor<T, D> reduce_columns(const Tensor<T, D>& x, std::span<const Index> bounds, ColumnReduce kind,
                            const Tensor<T, D>& weights = {}) {
  require(x.rank() == 2, "cloze.reduce.4", "reduce_columns: wanted [n, words], found {}", x.shape());
  require(!weights.defined() || (weights.rank() == 1 && weights.size() == x.columns()), "cloze.reduce.4",
          "reduce_columns: weights {} do not fit the {} columns of {}", weights.defined() ? weights.shape() : Shape(),
          x.columns(), x.shape());
  detail::require_bounds("reduce_columns", "cloze.reduce.4", bounds, x.columns(), true);
  const Index groups = static_cast<Index>(bounds.size()) - 1;
  auto y = Tensor<T, D>::empty({x.rows(), groups});
  kernels::column_reduce_forward(D{},
                                 kernels::ColumnReduceArgs<T>{.rows = x.rows(),
                                                              .groups = groups,
                                                              .columns = x.columns(),
                                                              .bounds = bounds.data(),
                                                              .kind = kind,
                                                              .x = x.data(),
                                                              .weights = weights.defined() ? weights.data() : nullptr,
                                                              .y = y.data()});
  if (!wants_grad(x, weights)) return y;
  record_op(
      "reduce_columns", y,
      [x, weights, at = List<Index>(bounds.begin(), bounds.end()), kind, groups](OutputView<T> result) {
        kernels::column_reduce_backward(
            D{}, kernels::ColumnReduceBackwardArgs<T>{.rows = x.rows(),
                                                      .groups = groups,
                                                      .columns = x.columns(),
                                                      .bounds = at.data(),
                                                      .kind = kind,
                                                      .x = x.data(),
                                                      .weights = weights.defined() ? weights.data() : nullptr,
                                                      .y = result.value,
                                                      .dy = result.grad,
                                                      .dx = grad_target(x),
                                                      .dweights = grad_target(weights)});
      },
      x, weights);
  return y;
}

}  // namespace cloze
