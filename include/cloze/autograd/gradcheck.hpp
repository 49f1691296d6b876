// The one check of every backward pass: central differences in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <cloze/autograd/op.hpp>
#include <cloze/core/error.hpp>

namespace cloze {

struct GradcheckOptions {
  double step = 1e-6;       // relative to max(1, |x|)
  double tolerance = 1e-6;  // relative to the largest gradient of each input (at least 1)
};

struct GradcheckReport {
  bool ok = true;
  double worst = 0;     // the largest error found, relative
  std::string message;  // which input, element, wanted and found
};

/// Compares the gradients of `f` at `inputs` with central differences. `f` maps the inputs to one tensor of any shape;
/// it is weighted by fixed uneven numbers, so a gradient that ignores an element cannot pass. Runs backward twice over
/// two fresh forward passes: the second must add. `f` must be deterministic (draw dropout keys outside).
template <Device D>
GradcheckReport gradcheck(const std::function<Tensor<double, D>(const std::vector<Tensor<double, D>>&)>& f,
                          std::vector<Tensor<double, D>> inputs, GradcheckOptions options = {}) {
  const auto weight = [](Index i) { return std::cos(0.7 * static_cast<double>(i) + 0.3) + 0.1; };
  const auto weighted = [&](const Tensor<double, D>& y) {
    double sum = 0;
    const std::vector<double> values = y.to_vector();
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] * weight(static_cast<Index>(i));
    return sum;
  };
  for (auto& input : inputs) input.requires_grad(true).zero_grad();
  for (int pass = 0; pass < 2; ++pass) {
    const Tensor<double, D> y = f(inputs);
    std::vector<double> weights(static_cast<std::size_t>(y.size()));
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = weight(static_cast<Index>(i));
    auto total = Tensor<double, D>::scalar(weighted(y));
    if (!y.requires_grad()) continue;
    const auto dy = Tensor<double, D>::from(weights, y.shape());
    record_op(
        "gradcheck", total,
        [y, dy](OutputView<double>) {
          const auto target = y.gradient().dense(y.size(), 1);
          copy_elements<D, D>(dy.data(), target.data, y.size());
        },
        y);
    total.backward();
  }
  GradcheckReport report;
  const NoGrad no_grad;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    auto& input = inputs[k];
    std::vector<double> at = input.to_vector();
    const std::vector<double> found = input.has_grad() ? input.grad().to_vector() : std::vector<double>(at.size(), 0.0);
    std::vector<double> wanted(at.size());
    double scale = 1;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double here = at[i], h = options.step * std::max(1.0, std::abs(here));
      const auto value_at = [&](double x) {
        copy_elements<Cpu, D>(&x, input.data() + i, 1);
        return weighted(f(inputs));
      };
      wanted[i] = (value_at(here + h) - value_at(here - h)) / (2 * h);
      copy_elements<Cpu, D>(&here, input.data() + i, 1);
      scale = std::max(scale, std::abs(wanted[i]));
    }
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double error = std::abs(found[i] / 2 - wanted[i]) / scale;
      if (!(error <= report.worst)) report.worst = error;
      if (!(error <= options.tolerance) && report.ok) {
        report.ok = false;
        report.message =
            formatted("input {}, element {}: wanted {}, found {} (halved: two passes)", k, i, wanted[i], found[i] / 2);
      }
    }
  }
  return report;
}

}  // namespace cloze
