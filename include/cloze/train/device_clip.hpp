// DeviceClip: clipping by the norm of all gradients without the host reading it.
#pragma once

#include <cloze/train/clip.hpp>

namespace cloze {

/// `DeviceClip clip(parameters, 1.0);` once, then `optimizer.step(clip.factor());` at every step. It scales as
/// clip_factor() does, to the same bits, but the norm stays where the gradients are: nothing waits for a GPU, and a
/// captured step (core/cuda_graph.cuh) may hold it. Where the norm is not finite there is nobody to throw to: the step
/// leaves weights and moments as they are, and skipped() counts it. AdamW's bias correction counts such a step as
/// taken.
template <Scalar T, Device D>
class DeviceClip {
 public:
  /// Errors: [cloze.clip.2] max_norm not above 0.
  DeviceClip(ParameterList<T, D> parameters, double max_norm)
      : parameters_(std::move(parameters)),
        max_norm_(max_norm),
        sums_(static_cast<Index>(parameters_.size())),
        norm_(Tensor<double, D>::zeros({2})),
        factor_(Tensor<Compute<T>, D>::full({1}, Compute<T>(1))) {
    require(max_norm > 0, "cloze.clip.2", "max_norm = {}: wanted a number above 0", max_norm);
  }

  /// The factor of the gradients as they are now, for the optimizer's step(): a tensor of one element, not finite where
  /// the norm is not. The next call writes it anew.
  const Tensor<Compute<T>, D>& factor() {
    Index used = 0;
    for (const auto& parameter : parameters_) {
      if (!parameter.tensor.has_grad()) continue;
      const auto [data, size] = detail::gradient_elements(parameter.tensor);
      kernels::square_sum(D{}, kernels::SquareSumArgs<T>{.size = size, .x = data, .y = sums_.data() + used++});
    }
    kernels::clip_factor(D{}, kernels::ClipFactorArgs<T>{.count = used,
                                                         .sums = sums_.data(),
                                                         .max_norm = max_norm_,
                                                         .norm = norm_.data(),
                                                         .skipped = norm_.data() + 1,
                                                         .factor = factor_.data()});
    return factor_;
  }

  /// The norm that the last factor() found; 0 before. Waits for a GPU.
  double norm() const { return norm_.alias({1}, 0).item(); }
  /// Steps so far whose norm was not finite. Waits for a GPU.
  Index skipped() const { return static_cast<Index>(norm_.alias({1}, 1).item()); }

 private:
  ParameterList<T, D> parameters_;
  double max_norm_;
  Storage<double, D> sums_;       // of squares, one for each gradient
  Tensor<double, D> norm_;        // and how often it was not finite
  Tensor<Compute<T>, D> factor_;  // [1]
};

}  // namespace cloze
