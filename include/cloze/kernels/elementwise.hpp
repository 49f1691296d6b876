// Elementwise kernels: every device's.
#pragma once

#include <cloze/kernels/cpu/elementwise.hpp>
#include <cloze/kernels/elementwise_args.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/elementwise.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/elementwise.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(combine, CombineArgs)
CLOZE_KERNEL(multiply, MultiplyArgs)
CLOZE_KERNEL(activate_forward, ActivateArgs)
CLOZE_KERNEL(activate_backward, ActivateBackwardArgs)
}  // namespace cloze::kernels
