// Bias and activation: every device's kernel.
#pragma once

#include <cloze/kernels/bias_activation_args.hpp>
#include <cloze/kernels/cpu/bias_activation.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/bias_activation.hpp>

namespace cloze::kernels {
CLOZE_KERNEL(bias_activation_forward, BiasActivationArgs)
CLOZE_KERNEL(bias_activation_backward, BiasActivationBackwardArgs)
}  // namespace cloze::kernels
