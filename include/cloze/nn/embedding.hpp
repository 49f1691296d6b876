// Embedding: one row per id.
#pragma once

#include <string>

#include <cloze/autograd/gather.hpp>
#include <cloze/nn/module.hpp>

namespace cloze {

template <Scalar T, Device D = Cpu>
struct Embedding {
  Tensor<T, D> weight;  // [entries, size]

  Embedding() = default;
  /// Elements unset: to be loaded.
  Embedding(Index entries, Index size) : weight(Tensor<T, D>::empty({entries, size})) { weight.requires_grad(true); }

  /// ids [n]  ->  [n, size]. The gradient reaches only the rows looked up, and is kept row-sparse.
  template <class Id>
  Tensor<T, D> operator()(std::span<const Id> ids) const {
    return gather_rows(weight, ids);
  }

  void visit(const std::string& prefix, const ParameterVisitor<T, D>& f) const { f({prefix + ".weight", weight}); }
};

}  // namespace cloze
