// Other shapes of the same elements: views, slices, splits, concatenations, transposes.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include <cloze/autograd/op.hpp>
#include <cloze/kernels/elementwise.hpp>
#include <cloze/kernels/matrix_copy.hpp>

namespace cloze {

/// The same elements under another shape: shares memory with x; gradients pass through.
/// Throws [cloze.shape_ops.1] where the sizes differ.
template <Scalar T, Device D>
Tensor<T, D> reshape(const Tensor<T, D>& x, Shape shape) {
  require(shape.size() == x.size(), "cloze.shape_ops.1", "reshape: {} elements of shape {} do not fill shape {}",
          x.size(), x.shape(), shape);
  auto y = x.alias(shape, 0);
  if (!wants_grad(x)) return y;
  record_op(
      "reshape", y,
      [x](OutputView<T> result) {
        if (const auto dx = grad_target(x); dx.data)
          kernels::combine(D{}, kernels::CombineArgs<T>{x.size(), Compute<T>(1), result.grad, Compute<T>(0), nullptr,
                                                        Compute<T>(0), dx});
      },
      x);
  return y;
}

/// The entries [begin, begin + count) of the first extent: shares memory with x; gradients pass through.
///   x [rows, ...]  ->  [count, ...].  Throws [cloze.shape_ops.2] where they lie outside x.
template <Scalar T, Device D>
Tensor<T, D> slice_rows(const Tensor<T, D>& x, Index begin, Index count) {
  require(x.rank() >= 1 && begin >= 0 && count >= 0 && begin <= x.dim(0) && count <= x.dim(0) - begin,
          "cloze.shape_ops.2", "slice_rows: {} rows from {} of a tensor of shape {}", count, begin, x.shape());
  const Index rows = x.dim(0), columns = rows == 0 ? 0 : x.size() / rows;
  auto y = x.alias(x.shape().with_first(count), begin * columns);
  if (!wants_grad(x)) return y;
  record_op(
      "slice_rows", y,
      [x, begin, count, rows, columns](OutputView<T> result) {
        if (!x.requires_grad()) return;
        const auto dx = x.gradient().slice(begin, rows, columns);
        if (count * columns > 0)
          kernels::combine(D{}, kernels::CombineArgs<T>{count * columns, Compute<T>(1), result.grad, Compute<T>(0),
                                                        nullptr, Compute<T>(0), dx});
      },
      x);
  return y;
}

/// The columns [begin, begin + count), copied.   x [..., n]  ->  [..., count].
/// Throws [cloze.shape_ops.2] where they lie outside x.
template <Scalar T, Device D>
Tensor<T, D> slice_columns(const Tensor<T, D>& x, Index begin, Index count) {
  require(x.rank() >= 1 && begin >= 0 && count >= 0 && begin <= x.columns() && count <= x.columns() - begin,
          "cloze.shape_ops.2", "slice_columns: {} columns from {} of a tensor of shape {}", count, begin, x.shape());
  const Index rows = x.rows(), columns = x.columns();
  auto y = Tensor<T, D>::empty(x.shape().with_columns(count));
  if (y.size() > 0)
    kernels::matrix_copy(D{},
                         kernels::MatrixCopyArgs<T>{rows, count, x.data() + begin, columns, y.data(), count, false});
  if (!wants_grad(x)) return y;
  record_op(
      "slice_columns", y,
      [x, begin, count, rows, columns](OutputView<T> result) {
        if (!x.requires_grad()) return;
        const auto dx = x.gradient().slice(0, rows, columns);  // zeros outside the slice
        if (rows * count > 0)
          kernels::matrix_copy(
              D{}, kernels::MatrixCopyArgs<T>{rows, count, result.grad, count, dx.data + begin, columns, true});
      },
      x);
  return y;
}

/// Consecutive groups of columns, copied.   x [..., n], sizes that add up to n  ->  one [..., size] for each.
/// Throws [cloze.shape_ops.3] where the sizes do not add up.
template <Scalar T, Device D>
std::vector<Tensor<T, D>> split_columns(const Tensor<T, D>& x, std::span<const Index> sizes) {
  Index total = 0;
  for (const Index size : sizes) {
    require(size >= 0 && size <= x.columns() - total, "cloze.shape_ops.3",
            "split_columns: a size of {} after {} columns of a tensor of shape {}", size, total, x.shape());
    total += size;
  }
  require(x.rank() >= 1 && total == x.columns(), "cloze.shape_ops.3",
          "split_columns: sizes add up to {}, not to the columns of {}", total, x.shape());
  std::vector<Tensor<T, D>> parts;
  parts.reserve(sizes.size());
  Index begin = 0;
  for (const Index size : sizes) {
    parts.push_back(slice_columns(x, begin, size));
    begin += size;
  }
  return parts;
}

namespace detail {

/// record_op() for a list of inputs. A tensor that occurs twice is one input: backward treats each occurrence.
template <Scalar T, Device D, class Backward>
void record_list(const char* name, Tensor<T, D>& output, std::span<const Tensor<T, D>> inputs, Backward backward) {
  TapeInputs edges;
  edges.reserve(inputs.size());
  for (const auto& input : inputs) edges.push_back(input.shared_body());
  record(name, *output.shared_body(), std::move(edges), [backward = std::move(backward)](TapeValue& value) {
    backward(static_cast<TensorBody<T, D>&>(value).gradient.dense_data());
  });
}

template <Scalar T, Device D>
bool any_wants_grad(std::span<const Tensor<T, D>> inputs) {
  return std::ranges::any_of(inputs, [](const auto& input) { return wants_grad(input); });
}

}  // namespace detail

/// Tensors one after the other along the first extent.   [rows_i, ...] of equal other extents  ->  [Σ rows_i, ...]
/// Throws [cloze.shape_ops.4] where there are none or their other extents differ.
template <Scalar T, Device D>
Tensor<T, D> concat_rows(std::span<const Tensor<T, D>> parts) {
  require(!parts.empty() && parts[0].rank() >= 1, "cloze.shape_ops.4", "concat_rows: wanted at least one [rows, ...]");
  Index rows = 0;
  for (const auto& part : parts) {
    require(part.rank() >= 1 && part.shape().with_first(0) == parts[0].shape().with_first(0), "cloze.shape_ops.4",
            "concat_rows: {} does not continue {}", part.shape(), parts[0].shape());
    rows += part.dim(0);
  }
  auto y = Tensor<T, D>::empty(parts[0].shape().with_first(rows));
  Index begin = 0;
  for (const auto& part : parts) {
    copy_elements<D, D>(part.data(), y.data() + begin, part.size());
    begin += part.size();
  }
  if (!detail::any_wants_grad(parts)) return y;
  detail::record_list("concat_rows", y, parts, [kept = List<Tensor<T, D>>(parts.begin(), parts.end())](const T* dy) {
    for (const auto& part : kept) {
      if (const auto dx = grad_target(part); dx.data)
        kernels::combine(
            D{}, kernels::CombineArgs<T>{part.size(), Compute<T>(1), dy, Compute<T>(0), nullptr, Compute<T>(0), dx});
      dy += part.size();
    }
  });
  return y;
}

/// Tensors side by side along the last extent.   [..., n_i] of equal other extents  ->  [..., Σ n_i]
/// Throws [cloze.shape_ops.4] where there are none or their other extents differ.
template <Scalar T, Device D>
Tensor<T, D> concat_columns(std::span<const Tensor<T, D>> parts) {
  require(!parts.empty() && parts[0].rank() >= 1, "cloze.shape_ops.4", "concat_columns: wanted at least one [..., n]");
  Index columns = 0;
  for (const auto& part : parts) {
    require(part.rank() >= 1 && part.shape().with_columns(0) == parts[0].shape().with_columns(0), "cloze.shape_ops.4",
            "concat_columns: {} does not fit beside {}", part.shape(), parts[0].shape());
    columns += part.columns();
  }
  const Index rows = parts[0].rows();
  auto y = Tensor<T, D>::empty(parts[0].shape().with_columns(columns));
  Index begin = 0;
  for (const auto& part : parts) {
    const Index n = part.columns();
    if (rows * n > 0)
      kernels::matrix_copy(D{}, kernels::MatrixCopyArgs<T>{rows, n, part.data(), n, y.data() + begin, columns, false});
    begin += n;
  }
  if (!detail::any_wants_grad(parts)) return y;
  detail::record_list(
      "concat_columns", y, parts, [kept = List<Tensor<T, D>>(parts.begin(), parts.end()), rows, columns](const T* dy) {
        for (const auto& part : kept) {
          const Index n = part.columns();
          if (const auto dx = grad_target(part); dx.data)
            kernels::matrix_copy(D{}, kernels::MatrixCopyArgs<T>{rows, n, dy, columns, dx.data, n, dx.add});
          dy += n;
        }
      });
  return y;
}

template <Scalar T, Device D>
Tensor<T, D> concat_rows(const std::vector<Tensor<T, D>>& parts) {
  return concat_rows(std::span<const Tensor<T, D>>(parts));
}
template <Scalar T, Device D>
Tensor<T, D> concat_columns(const std::vector<Tensor<T, D>>& parts) {
  return concat_columns(std::span<const Tensor<T, D>>(parts));
}

/// xᵀ, copied.   x [m, n]  ->  [n, m].  Throws [cloze.shape_ops.5] where x is not a matrix.
template <Scalar T, Device D>
Tensor<T, D> transpose(const Tensor<T, D>& x) {
  require(x.rank() == 2, "cloze.shape_ops.5", "transpose: wanted a matrix, found {}", x.shape());
  const Index m = x.rows(), n = x.columns();
  auto y = Tensor<T, D>::empty({n, m});
  kernels::transpose(D{}, kernels::TransposeArgs<T>{m, n, x.data(), y.data(), false});
  if (!wants_grad(x)) return y;
  record_op(
      "transpose", y,
      [x, m, n](OutputView<T> result) {
        if (const auto dx = grad_target(x); dx.data)
          kernels::transpose(D{}, kernels::TransposeArgs<T>{n, m, result.grad, dx.data, dx.add});
      },
      x);
  return y;
}

}  // namespace cloze
