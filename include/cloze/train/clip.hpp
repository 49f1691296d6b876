// The norm of all gradients, and clipping by it.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <cloze/core/pool.hpp>
#include <cloze/kernels/rescale.hpp>
#include <cloze/nn/parameter.hpp>

namespace cloze {

/// What to do where the norm of the gradients is infinite or NaN.
enum class NonFinite {
  error,   // throw
  report,  // leave the gradients as they are and return the norm, so that the caller can skip the step
};

namespace detail {

/// The gradient's elements that may be other than zero.
template <Scalar T, Device D>
std::pair<T*, Index> gradient_elements(const Tensor<T, D>& tensor) {
  if (!tensor.has_row_sparse_grad()) return {tensor.gradient().dense_data(), tensor.size()};
  const auto touched = tensor.touched_rows();
  return {touched.values, static_cast<Index>(touched.rows.size()) * (tensor.size() / tensor.dim(0))};
}

}  // namespace detail

/// The Euclidean norm of all gradients as one vector, summed in double. 0 where there are none.
template <Scalar T, Device D>
double grad_norm(const ParameterList<T, D>& parameters) {
  const Storage<double, D> sums(static_cast<Index>(parameters.size()));
  Index used = 0;
  for (const auto& parameter : parameters) {
    if (!parameter.tensor.has_grad()) continue;
    const auto [data, size] = detail::gradient_elements(parameter.tensor);
    kernels::square_sum(D{}, kernels::SquareSumArgs<T>{.size = size, .x = data, .y = sums.data() + used++});
  }
  List<double> parts(static_cast<std::size_t>(used));
  copy_elements<D, Cpu>(sums.data(), parts.data(), used);  // all at once: a GPU is waited for
  return std::sqrt(std::accumulate(parts.begin(), parts.end(), 0.0));
}

/// The norm of all gradients, and what to multiply them by so that it is at most max_norm.
struct Clipping {
  double norm = 0;
  double factor = 1;
};

/// max_norm / (norm + 1e-6) as PyTorch has it, at most 1, for `optimizer.step(clip_factor(…).factor)`: the gradients
/// are read once and never written. The factor is 1 where the norm is not finite and NonFinite::report was asked for.
/// Errors: [cloze.clip.1] a norm that is not finite (NonFinite::error), naming the first parameter to blame,
/// [cloze.clip.2] max_norm not above 0.
template <Scalar T, Device D>
Clipping clip_factor(const ParameterList<T, D>& parameters, double max_norm, NonFinite policy = NonFinite::error) {
  require(max_norm > 0, "cloze.clip.2", "max_norm = {}: wanted a number above 0", max_norm);
  const double norm = grad_norm(parameters);
  if (!std::isfinite(norm)) {
    if (policy == NonFinite::report) return {norm, 1};
    for (const auto& parameter : parameters) {
      ParameterList<T, D> one;
      one.push_back(parameter);
      require(std::isfinite(grad_norm(one)), "cloze.clip.1", "the gradient of \"{}\" has the norm {}: the step is lost",
              parameter.name, grad_norm(one));
    }
    fail("cloze.clip.1", "the norm of all gradients is {}", norm);
  }
  return {norm, std::min(1.0, max_norm / (norm + 1e-6))};
}

/// Scales all gradients down by clip_factor() and returns the norm before. Errors: clip_factor's.
template <Scalar T, Device D>
double clip_grad_norm(const ParameterList<T, D>& parameters, double max_norm, NonFinite policy = NonFinite::error) {
  const auto [norm, factor] = clip_factor(parameters, max_norm, policy);
  if (factor == 1) return norm;
  for (const auto& parameter : parameters) {
    if (!parameter.tensor.has_grad()) continue;
    const auto [data, size] = detail::gradient_elements(parameter.tensor);
    kernels::rescale(D{}, kernels::RescaleArgs<T>{.size = size, .x = data, .factor = static_cast<Compute<T>>(factor)});
  }
  return norm;
}

}  // namespace cloze
