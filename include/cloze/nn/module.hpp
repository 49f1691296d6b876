// What every module offers: visit(prefix, f) hands f each of its parameters with the name that Hugging Face files use.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <cloze/nn/parameter.hpp>
#include <cloze/tensor/tensor.hpp>

namespace cloze {

/// One parameter as its module stores it and as files name it.
template <Scalar T, Device D>
struct ParameterSlot {
  std::string name;                  // of the parameter
  Tensor<T, D> tensor;               // shares the module's elements
  std::vector<std::string> parts{};  // names of its equal row slices in files; empty: the whole, under `name`
};

/// A plain function type, so that modules are compiled once and not once per visitor.
template <Scalar T, Device D>
using ParameterVisitor = std::function<void(const ParameterSlot<T, D>&)>;

/// A tensor of a Hugging Face state dict: rows [first_row, first_row + rows) of `tensor`.
template <Scalar T, Device D>
struct StateEntry {
  std::string name;
  Tensor<T, D> tensor;
  Index first_row = 0;
  Index rows = 0;
  /// Extents of the slice.
  Shape shape() const { return tensor.rank() == 0 ? tensor.shape() : tensor.shape().with_first(rows); }
  /// Its elements, sharing memory, outside the tape.
  Tensor<T, D> slice() const {
    const Index row = rows == 0 ? 0 : tensor.size() / tensor.dim(0);
    return tensor.alias(shape(), first_row * row);
  }
};

/// Collects what a module's visit hands out.
template <Scalar T, Device D, class Module>
std::vector<ParameterSlot<T, D>> parameter_slots(const Module& module) {
  std::vector<ParameterSlot<T, D>> slots;
  module.visit([&](const ParameterSlot<T, D>& slot) { slots.push_back(slot); });
  return slots;
}

/// The slots as entries of a state dict: fused parameters come apart into their named slices.
template <Scalar T, Device D>
std::vector<StateEntry<T, D>> state_entries(const std::vector<ParameterSlot<T, D>>& slots) {
  std::vector<StateEntry<T, D>> entries;
  for (const auto& slot : slots) {
    const Index rows = slot.tensor.dim(0);
    if (slot.parts.empty()) {
      entries.push_back({slot.name, slot.tensor, 0, rows});
      continue;
    }
    const Index share = rows / static_cast<Index>(slot.parts.size());
    for (std::size_t i = 0; i < slot.parts.size(); ++i)
      entries.push_back({slot.parts[i], slot.tensor, static_cast<Index>(i) * share, share});
  }
  return entries;
}

/// The slots as parameters for an optimizer. Weight decay applies to matrices, not to biases and norms.
template <Scalar T, Device D>
ParameterList<T, D> parameter_list(const std::vector<ParameterSlot<T, D>>& slots) {
  ParameterList<T, D> list;
  for (const auto& slot : slots) list.push_back(Parameter<T, D>{slot.name, slot.tensor, slot.tensor.rank() > 1});
  return list;
}

}  // namespace cloze
