// FeedForward: the two dense layers of a transformer layer.
#pragma once

#include <cloze/nn/linear.hpp>

namespace cloze {

template <Scalar T, Device D = Cpu>
struct FeedForward {
  Linear<T, D> up;    // [intermediate, hidden]
  Linear<T, D> down;  // [hidden, intermediate]
  Activation activation = Activation::gelu;

  FeedForward() = default;
  FeedForward(Index hidden, Index intermediate, Activation kind)
      : up(hidden, intermediate), down(intermediate, hidden), activation(kind) {}

  /// x [rows, hidden]  ->  [rows, hidden]
  Tensor<T, D> operator()(const Tensor<T, D>& x) const { return down(up(x, activation)); }
};

}  // namespace cloze
