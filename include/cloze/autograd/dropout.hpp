// Dropout as an operation of its own.
#pragma once

#include <cloze/autograd/op.hpp>
#include <cloze/autograd/row_ids.hpp>
#include <cloze/kernels/dropout.hpp>

namespace cloze {

/// y = x ∘ mask / keep probability; x itself where dropout does nothing.   x [..., n]  ->  [..., n]
/// `row_ids` [rows] (optional) says which row of the whole each row is, so that some rows draw what all of them would.
/// The backward pass draws the mask again: nothing is stored.
/// Throws [cloze.dropout.1] for p outside [0, 1), [cloze.dropout.2] where row_ids do not fit.
template <Scalar T, Device D>
Tensor<T, D> dropout(const Tensor<T, D>& x, const Dropout& options, Ids row_ids = {}) {
  const DropoutRule rule = dropout_rule(options);
  auto ids = detail::checked_row_ids("dropout", row_ids, x.rows());
  if (!rule.active()) return x;
  const Index rows = x.rows(), columns = x.columns();
  auto y = Tensor<T, D>::empty(x.shape());
  kernels::dropout(D{}, kernels::DropoutArgs<T>{.rows = rows,
                                                .columns = columns,
                                                .x = x.data(),
                                                .dropout = rule,
                                                .row_ids = detail::data_of(ids),
                                                .y = {y.data(), false}});
  if (!wants_grad(x)) return y;
  record_op(
      "dropout", y,
      [x, rule, ids = std::move(ids), rows, columns](OutputView<T> result) {
        if (const auto dx = grad_target(x); dx.data)
          kernels::dropout(D{}, kernels::DropoutArgs<T>{.rows = rows,
                                                        .columns = columns,
                                                        .x = result.grad,
                                                        .dropout = rule,
                                                        .row_ids = detail::data_of(ids),
                                                        .y = dx});
      },
      x);
  return y;
}

}  // namespace cloze
