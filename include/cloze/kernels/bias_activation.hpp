// Bias and activation: every device's kernel.
#pragma once

#include <cloze/kernels/bias_activation_args.hpp>
#include <cloze/kernels/cpu/bias_activation.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/bias_activation.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/bias_activation.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(bias_activation_forward, BiasActivationArgs)
CLOZE_KERNEL(bias_activation_backward, BiasActivationBackwardArgs)
}  // namespace cloze::kernels
