// LayerNorm: over the last extent, with scale and shift.
#pragma once

#include <string>

#include <cloze/autograd/layer_norm.hpp>
#include <cloze/core/dropout.hpp>
#include <cloze/nn/module.hpp>

namespace cloze {

template <Scalar T, Device D = Cpu>
struct LayerNorm {
  Tensor<T, D> weight;  // [size], ones until loaded
  Tensor<T, D> bias;    // [size], zeros until loaded
  double eps = 1e-12;

  LayerNorm() = default;
  LayerNorm(Index size, double epsilon)
      : weight(Tensor<T, D>::full({size}, T(1.0f))), bias(Tensor<T, D>::zeros({size})), eps(epsilon) {
    weight.requires_grad(true);
    bias.requires_grad(true);
  }

  /// x [..., size]  ->  [..., size]
  Tensor<T, D> operator()(const Tensor<T, D>& x) const {
    return layer_norm(x, weight, bias, static_cast<Compute<T>>(eps));
  }

  /// norm(residual + dropout(x)) in one pass. `row_ids` numbers the rows for the dropout bits; empty: 0, 1, …
  Tensor<T, D> operator()(const Tensor<T, D>& x, const Tensor<T, D>& residual, Dropout dropout,
                          std::span<const Index> row_ids = {}) const {
    return residual_layer_norm(
        x, residual, weight, bias,
        ResidualNormOptions<T>{.eps = static_cast<Compute<T>>(eps), .dropout = dropout, .row_ids = row_ids});
  }

  void visit(const std::string& prefix, const ParameterVisitor<T, D>& f) const {
    f({prefix + ".weight", weight});
    f({prefix + ".bias", bias});
  }
};

}  // namespace cloze
