// Parameter and ParameterList: what an optimizer sees of a model.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/tensor/tensor.hpp>

namespace cloze {

/// A named leaf tensor. `decay`: weight decay applies to it (matrices, but not biases and norms).
template <Scalar T, Device D = Cpu>
struct Parameter {
  std::string name;
  Tensor<T, D> tensor;
  bool decay = true;
};

/// The parameters of a model, in its order. Handles: copies name the same tensors.
template <Scalar T, Device D = Cpu>
class ParameterList {
 public:
  ParameterList() = default;
  explicit ParameterList(std::vector<Parameter<T, D>> parameters) : parameters_(std::move(parameters)) {}

  void push_back(Parameter<T, D> parameter) { parameters_.push_back(std::move(parameter)); }
  std::size_t size() const { return parameters_.size(); }
  bool empty() const { return parameters_.empty(); }
  Parameter<T, D>& operator[](std::size_t i) { return parameters_[i]; }
  const Parameter<T, D>& operator[](std::size_t i) const { return parameters_[i]; }
  auto begin() { return parameters_.begin(); }
  auto end() { return parameters_.end(); }
  auto begin() const { return parameters_.begin(); }
  auto end() const { return parameters_.end(); }

  /// Stops gradients into every parameter whose name begins with `prefix`; how many those were.
  Index freeze(std::string_view prefix) {
    return freeze([prefix](const Parameter<T, D>& parameter) { return parameter.name.starts_with(prefix); });
  }
  /// The same for every parameter for which `chosen(parameter)` is true.
  template <std::predicate<const Parameter<T, D>&> Predicate>
  Index freeze(Predicate chosen) {
    return set_requires_grad(false, chosen);
  }
  /// Lets gradients flow again.
  Index unfreeze(std::string_view prefix = "") {
    return unfreeze([prefix](const Parameter<T, D>& parameter) { return parameter.name.starts_with(prefix); });
  }
  template <std::predicate<const Parameter<T, D>&> Predicate>
  Index unfreeze(Predicate chosen) {
    return set_requires_grad(true, chosen);
  }
  /// Those that want gradients.
  ParameterList trainable() const {
    return where([](const Parameter<T, D>& parameter) { return parameter.tensor.requires_grad(); });
  }
  /// Those for which `wanted(parameter)` is true.
  template <class Predicate>
  ParameterList where(Predicate wanted) const {
    ParameterList chosen;
    for (const auto& parameter : parameters_)
      if (wanted(parameter)) chosen.push_back(parameter);
    return chosen;
  }
  /// Numbers in all of them.
  Index count() const {
    Index numbers = 0;
    for (const auto& parameter : parameters_) numbers += parameter.tensor.size();
    return numbers;
  }
  /// Appends another list, say a verbalizer's.
  void append(const ParameterList& other) {
    parameters_.insert(parameters_.end(), other.parameters_.begin(), other.parameters_.end());
  }
  /// Forgets every gradient and frees its memory.
  void zero_grad() {
    for (auto& parameter : parameters_) parameter.tensor.zero_grad();
  }

 private:
  template <class Predicate>
  Index set_requires_grad(bool wanted, Predicate& chosen) {
    Index changed = 0;
    for (auto& parameter : parameters_) {
      if (!chosen(std::as_const(parameter))) continue;
      parameter.tensor.requires_grad(wanted);
      ++changed;
    }
    return changed;
  }

  std::vector<Parameter<T, D>> parameters_;
};

}  // namespace cloze
