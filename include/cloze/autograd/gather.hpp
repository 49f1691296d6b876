// Rows of a table by index: embeddings, mask rows, label words.
#pragma once

#include <span>
#include <utility>

#include <cloze/autograd/op.hpp>
#include <cloze/autograd/row_ids.hpp>
#include <cloze/kernels/gather.hpp>

namespace cloze {

namespace detail {

template <Scalar T, Device D>
Tensor<T, D> gather(const Tensor<T, D>& table, List<Index> ids) {
  require(table.rank() == 1 || table.rank() == 2, "cloze.gather.1",
          "gather_rows: table {} (wanted [rows, columns] or [rows])", table.shape());
  const Index rows = table.dim(0), columns = table.rank() == 1 ? 1 : table.columns();
  const Index count = static_cast<Index>(ids.size());
  for (Index i = 0; i < count; ++i)
    require(ids[i] >= 0 && ids[i] < rows, "cloze.gather.2",
            "gather_rows: row {} asks for id {} of a table of {} rows {}", i, ids[i], rows, table.shape());
  auto y = Tensor<T, D>::empty(table.rank() == 1 ? Shape{count} : Shape{count, columns});
  kernels::gather_forward(
      D{}, kernels::GatherArgs<T>{
               .count = count, .columns = columns, .table = table.data(), .ids = ids.data(), .y = y.data()});
  if (!wants_grad(table)) return y;
  record_op(
      "gather_rows", y,
      [table, ids = std::move(ids), rows, columns, count](OutputView<T> result) {
        List<Index> slots;
        // Only leaves may stay row-sparse: what made an intermediate table reads its whole gradient.
        const GradTarget<T> target =
            table.is_leaf() ? table.gradient().rows(ids, columns, slots) : table.gradient().slice(0, rows, columns);
        if (count == 0) return;
        kernels::gather_backward(D{},
                                 kernels::GatherBackwardArgs<T>{.count = count,
                                                                .columns = columns,
                                                                .slots = table.is_leaf() ? slots.data() : ids.data(),
                                                                .dy = result.grad,
                                                                .dtable = target.data});
      },
      table);
  return y;
}

}  // namespace detail

/// y[i] = table[ids[i]].   table [rows, columns], ids [n]  ->  [n, columns]; table [rows] (biases)  ->  [n]
/// The gradient of a leaf table is row-sparse: only touched rows take memory and time, until a dense one arrives.
/// Throws [cloze.gather.1] where the table has another rank, [cloze.gather.2] naming the row and id that is out of
/// range.
template <Scalar T, Device D>
Tensor<T, D> gather_rows(const Tensor<T, D>& table, Ids ids) {
  return detail::gather(table, List<Index>(ids.begin(), ids.end()));
}

/// The rows of token embeddings.
template <Scalar T, Device D>
Tensor<T, D> gather_rows(const Tensor<T, D>& table, std::span<const TokenId> ids) {
  List<Index> rows(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) rows[i] = value(ids[i]);
  return detail::gather(table, std::move(rows));
}

}  // namespace cloze
