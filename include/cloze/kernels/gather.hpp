// Rows of a table by index: every device's kernel.
#pragma once

#include <cloze/kernels/cpu/gather.hpp>
#include <cloze/kernels/gather_args.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/gather.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/gather.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(gather_forward, GatherArgs)
CLOZE_KERNEL(gather_backward, GatherBackwardArgs)
}  // namespace cloze::kernels
