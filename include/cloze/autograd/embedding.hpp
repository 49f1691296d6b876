// The input of an encoder: embeddings looked up, summed, normalised and dropped out in one operation.
#pragma once

#include <array>
#include <span>
#include <utility>

#include <cloze/autograd/op.hpp>
#include <cloze/autograd/row_ids.hpp>
#include <cloze/kernels/dropout.hpp>
#include <cloze/kernels/embedding_norm.hpp>
#include <cloze/kernels/gather.hpp>
#include <cloze/kernels/layer_norm.hpp>

namespace cloze {

/// A table and the row of it that each row of the result takes; an undefined table is left out.
template <Scalar T, Device D>
struct Lookup {
  Tensor<T, D> table;  // [any, columns]
  Ids ids;             // [rows]
};

template <class T>
struct EmbeddingNormOptions {
  Compute<T> eps = Compute<T>(1e-12);  // added to the variance
  Dropout dropout = {};
};

namespace detail {

/// dtable[ids] += dz: row-sparse where the table is a leaf; what made any other table reads its whole gradient.
template <Scalar T, Device D>
void embedding_backward(const Tensor<T, D>& table, const List<Index>& ids, const T* dz) {
  if (!table.defined() || !table.requires_grad()) return;
  const Index columns = table.columns(), count = static_cast<Index>(ids.size());
  List<Index> slots;
  const bool leaf = table.is_leaf();
  const GradTarget<T> target =
      leaf ? table.gradient().rows(ids, columns, slots) : table.gradient().slice(0, table.rows(), columns);
  if (count == 0) return;
  kernels::gather_backward(D{}, kernels::GatherBackwardArgs<T>{.count = count,
                                                               .columns = columns,
                                                               .slots = leaf ? slots.data() : ids.data(),
                                                               .dy = dz,
                                                               .dtable = target.data});
}

}  // namespace detail

/// y = dropout(LayerNorm(words[ids] + second[ids] + third[ids])), added in this order. The gradient of a leaf table is
/// row-sparse, as gather_rows leaves it.   tables [any, n], gamma [n], beta [n]  ->  [rows, n]
/// Throws [cloze.embedding_norm.1] where shapes or numbers of ids do not fit, [cloze.embedding_norm.2] naming an id
/// outside its table, [cloze.embedding_norm.3] for a negative eps, [cloze.dropout.1] for p outside [0, 1).
template <Scalar T, Device D>
Tensor<T, D> embedding_norm(const Lookup<T, D>& words, const Lookup<T, D>& second, const Lookup<T, D>& third,
                            const Tensor<T, D>& gamma, const Tensor<T, D>& beta,
                            const EmbeddingNormOptions<T>& options = {}) {
  require(words.table.defined() && words.table.rank() == 2 && words.table.columns() > 0, "cloze.embedding_norm.1",
          "embedding_norm: words {} (wanted [rows, columns])", words.table.defined() ? words.table.shape() : Shape());
  const Index columns = words.table.columns(), rows = static_cast<Index>(words.ids.size());
  require(gamma.defined() && beta.defined() && gamma.shape() == Shape{columns} && beta.shape() == Shape{columns},
          "cloze.embedding_norm.1", "embedding_norm: gamma {} and beta {} do not fit words {}",
          gamma.defined() ? gamma.shape() : Shape(), beta.defined() ? beta.shape() : Shape(), words.table.shape());
  require(options.eps >= 0, "cloze.embedding_norm.3", "embedding_norm: eps is {}, wanted 0 or more", options.eps);
  const DropoutRule rule = dropout_rule(options.dropout);

  std::array<Tensor<T, D>, 3> tables;
  std::array<List<Index>, 3> ids;
  kernels::EmbeddingNormArgs<T> args{};
  for (const Lookup<T, D>* lookup : {&words, &second, &third}) {
    if (!lookup->table.defined()) continue;
    const auto t = static_cast<std::size_t>(args.count);
    require(lookup->table.rank() == 2 && lookup->table.columns() == columns &&
                static_cast<Index>(lookup->ids.size()) == rows,
            "cloze.embedding_norm.1", "embedding_norm: table {} {} with {} ids does not fit words {} with {} ids", t,
            lookup->table.shape(), lookup->ids.size(), words.table.shape(), rows);
    for (Index i = 0; i < rows; ++i) {
      const Index id = lookup->ids[static_cast<std::size_t>(i)];
      require(id >= 0 && id < lookup->table.rows(), "cloze.embedding_norm.2",
              "embedding_norm: row {} asks for id {} of table {} {}", i, id, t, lookup->table.shape());
    }
    tables[t] = lookup->table;
    ids[t].assign(lookup->ids.begin(), lookup->ids.end());
    args.tables[t] = {std::as_const(tables[t]).data(), ids[t].data()};
    ++args.count;
  }

  auto y = Tensor<T, D>::empty({rows, columns});
  const bool recorded = wants_grad(tables[0], tables[1], tables[2], gamma, beta);
  const auto z = recorded ? Tensor<T, D>::empty({rows, columns}) : y.detach();
  const auto moments = Tensor<Compute<T>, D>::empty({2, recorded ? rows : 0});  // mean, rstd
  args.rows = rows;
  args.columns = columns;
  args.gamma = gamma.data();
  args.beta = beta.data();
  args.eps = options.eps;
  args.dropout = rule;
  args.z = const_cast<T*>(z.data());
  args.y = y.data();
  args.mean = recorded ? const_cast<Compute<T>*>(moments.data()) : nullptr;
  args.rstd = recorded ? args.mean + rows : nullptr;
  kernels::embedding_norm_forward(D{}, args);
  if (!recorded) return y;

  record_op(
      "embedding_norm", y,
      [tables, ids = std::move(ids), gamma, beta, z, moments, rule, rows, columns](OutputView<T> result) {
        const auto dz = Storage<T, D>(rows * columns);
        const T* dy = result.grad;
        Storage<T, D> kept;
        if (rule.active()) {
          kept = Storage<T, D>(rows * columns);
          kernels::dropout(D{}, kernels::DropoutArgs<T>{.rows = rows,
                                                        .columns = columns,
                                                        .x = dy,
                                                        .dropout = rule,
                                                        .row_ids = nullptr,
                                                        .y = {kept.data(), false}});
          dy = kept.data();
        }
        kernels::LayerNormBackwardArgs<T> norm{};
        norm.rows = rows;
        norm.columns = columns;
        norm.z = z.data();
        norm.mean = moments.data();
        norm.rstd = moments.data() + rows;
        norm.gamma = gamma.data();
        norm.dy = dy;
        norm.dx = {dz.data(), false};
        norm.dgamma = grad_target(gamma);
        norm.dbeta = grad_target(beta);
        kernels::layer_norm_backward(D{}, norm);
        for (std::size_t t = 0; t < tables.size(); ++t) detail::embedding_backward(tables[t], ids[t], dz.data());
      },
      tables[0], tables[1], tables[2], gamma, beta);
  return y;
}

}  // namespace cloze
