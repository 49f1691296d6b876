// Norms and factors, in place: every device's kernel.
#pragma once

#include <cloze/kernels/cpu/rescale.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/rescale.hpp>
#include <cloze/kernels/rescale_args.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/rescale.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(square_sum, SquareSumArgs)
CLOZE_KERNEL(clip_factor, ClipFactorArgs)
CLOZE_KERNEL(rescale, RescaleArgs)
CLOZE_KERNEL(rescale_rows, RescaleRowsArgs)
}  // namespace cloze::kernels
