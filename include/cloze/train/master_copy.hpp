// The copy in full precision that optimizers keep of weights stored in 16 bits.
#pragma once

#include <concepts>
#include <functional>
#include <string>
#include <utility>

#include <cloze/tensor/tensor.hpp>
#include <cloze/train/checkpoint_parts.hpp>

namespace cloze {

/// Updates smaller than the distance of two 16-bit numbers would be lost: they go to this copy, and the weights are its
/// rounding. It is made at the first update; who changes the weights by hand later is not heard. Empty where weights
/// are in full precision themselves.
template <Scalar T, Device D>
class MasterCopy {
 public:
  /// The copy's elements; null where there is none to keep.
  Compute<T>* of(const Tensor<T, D>& weights) {
    if constexpr (std::same_as<T, Compute<T>>) {
      return nullptr;
    } else {
      if (!copy_.defined()) copy_ = weights.template to<D, Compute<T>>();
      return copy_.data();
    }
  }

  void save(CheckpointSink& sink, const std::string& key) const {
    if constexpr (!std::same_as<T, Compute<T>>) {
      sink.number(key + "/has_master", copy_.defined() ? 1 : 0);
      if (copy_.defined()) sink.tensor(key + "/master", copy_);
    }
  }
  /// As Moments::load.
  std::function<void()> load(const CheckpointSource& source, const std::string& key, const Shape& shape) {
    if constexpr (std::same_as<T, Compute<T>>) {
      return [] {};
    } else {
      Tensor<Compute<T>, D> fresh;
      if (source.number(key + "/has_master") == 1)
        fresh = source.template tensor<Compute<T>, D>(key + "/master", shape);
      return [this, fresh] { copy_ = fresh; };
    }
  }

 private:
  Tensor<Compute<T>, D> copy_;
};

}  // namespace cloze
