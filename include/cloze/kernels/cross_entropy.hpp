// Cross entropy: every device's kernels.
#pragma once

#include <cloze/kernels/cpu/cross_entropy.hpp>
#include <cloze/kernels/cross_entropy_args.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/cross_entropy.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/cross_entropy.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(cross_entropy_forward, CrossEntropyArgs)
CLOZE_KERNEL(cross_entropy_backward, CrossEntropyBackwardArgs)
}  // namespace cloze::kernels
