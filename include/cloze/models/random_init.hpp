// Fresh weights for a whole model, distributed as Hugging Face's from_config draws them.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <cloze/models/config.hpp>
#include <cloze/nn/init.hpp>
#include <cloze/nn/module.hpp>

namespace cloze {

namespace detail {

/// Sines in even columns, cosines in odd ones (Vaswani et al., "Attention is all you need", 2017, section 3.5).
template <Scalar T, Device D>
void fill_sinusoidal(Tensor<T, D>& table) {
  const Index columns = table.dim(1);
  std::vector<T> values;
  for (Index row = 0; row < table.dim(0); ++row)
    for (Index column = 0; column < columns; ++column) {
      const double exponent = static_cast<double>(2 * (column / 2)) / static_cast<double>(columns);
      const double angle = static_cast<double>(row) / std::pow(10000.0, exponent);
      values.push_back(static_cast<T>(column % 2 == 0 ? std::sin(angle) : std::cos(angle)));
    }
  copy_elements<Cpu, D>(values.data(), table.data(), table.size());
}

template <Scalar T, Device D>
void clear_row(Tensor<T, D>& table, Index row) {
  if (row < 0 || row >= table.dim(0)) return;
  const std::vector<T> zeros(static_cast<std::size_t>(table.dim(1)), T(0.0f));
  copy_elements<Cpu, D>(zeros.data(), table.data() + row * table.dim(1), table.dim(1));
}

}  // namespace detail

/// Matrices from N(0, initializer_range²), biases 0, norms 1, the padding id's embeddings 0; DistilBERT's position
/// table is sines where config.json says so. Each parameter has a stream of its own, named after it: the same seed
/// gives the same encoder under any head.
template <Scalar T, Device D>
void initialize_parameters(const std::vector<ParameterSlot<T, D>>& slots, const EncoderConfig& config, const Rng& rng) {
  const EncoderNames& names = config.architecture->encoder;
  const Index padding = json_get_or<Index>(config.json, "pad_token_id", -1, config.where);
  for (const auto& slot : slots) {
    Tensor<T, D> tensor = slot.tensor;
    if (tensor.rank() < 2) {
      fill(tensor, slot.name.ends_with(".weight") ? T(1.0f) : T(0.0f));
      continue;
    }
    Rng stream = rng.stream(slot.name);
    fill_normal(tensor, config.initializer_range, stream);
    const bool positions = slot.name.ends_with(names.positions + ".weight");
    if (positions && json_get_or<bool>(config.json, "sinusoidal_pos_embds", false, config.where))
      detail::fill_sinusoidal(tensor);
    if (slot.name.ends_with(names.words + ".weight") || (positions && config.architecture->positions_after_padding))
      detail::clear_row(tensor, padding);
  }
}

}  // namespace cloze
