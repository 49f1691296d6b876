// Dropout: every device's kernel.
#pragma once

#include <cloze/kernels/cpu/dropout.hpp>
#include <cloze/kernels/dropout_args.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/dropout.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/dropout.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(dropout, DropoutArgs)
}  // namespace cloze::kernels
