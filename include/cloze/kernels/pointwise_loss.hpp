// Pointwise losses: every device's kernels.
#pragma once

#include <cloze/kernels/cpu/pointwise_loss.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/pointwise_loss_args.hpp>
#include <cloze/kernels/ref/pointwise_loss.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/pointwise_loss.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(pointwise_loss_forward, PointwiseLossArgs)
CLOZE_KERNEL(pointwise_loss_backward, PointwiseLossBackwardArgs)
}  // namespace cloze::kernels
