// Fresh parameters: normal weights, zero biases, as Hugging Face's _init_weights.
#pragma once

#include <vector>

#include <cloze/core/rng.hpp>
#include <cloze/tensor/tensor.hpp>

namespace cloze {

/// Fills `tensor` with draws of N(0, deviation²), row by row.
template <Scalar T, Device D>
void fill_normal(Tensor<T, D>& tensor, double deviation, Rng& rng) {
  std::vector<T> values(static_cast<std::size_t>(tensor.size()));
  for (T& value : values) value = static_cast<T>(deviation * rng.normal());
  copy_elements<Cpu, D>(values.data(), tensor.data(), tensor.size());
}

/// Fills `tensor` with one number.
template <Scalar T, Device D>
void fill(Tensor<T, D>& tensor, T value) {
  const std::vector<T> values(static_cast<std::size_t>(tensor.size()), value);
  copy_elements<Cpu, D>(values.data(), tensor.data(), tensor.size());
}

}  // namespace cloze
