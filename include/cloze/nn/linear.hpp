// Linear: the dense layer y = activation(x Wᵀ + b).
#pragma once

#include <string>

#include <cloze/autograd/linear.hpp>
#include <cloze/nn/init.hpp>
#include <cloze/nn/module.hpp>

namespace cloze {

template <Scalar T, Device D = Cpu>
struct Linear {
  Tensor<T, D> weight;  // [out, in]
  Tensor<T, D> bias;    // [out]

  Linear() = default;
  /// Elements unset: to be loaded.
  Linear(Index in, Index out) : weight(Tensor<T, D>::empty({out, in})), bias(Tensor<T, D>::empty({out})) {
    weight.requires_grad(true);
    bias.requires_grad(true);
  }
  /// A fresh layer: weights from N(0, deviation²), zero bias.
  Linear(Index in, Index out, double deviation, Rng& rng) : Linear(in, out) { initialize(deviation, rng); }

  void initialize(double deviation, Rng& rng) {
    fill_normal(weight, deviation, rng);
    fill(bias, T(0.0f));
  }

  /// x [..., in]  ->  [..., out]
  Tensor<T, D> operator()(const Tensor<T, D>& x, Activation activation = Activation::none) const {
    return linear(x, weight, bias, {.activation = activation});
  }

  void visit(const std::string& prefix, const ParameterVisitor<T, D>& f) const {
    f({prefix + ".weight", weight});
    f({prefix + ".bias", bias});
  }
};

}  // namespace cloze
