// SGD updates: every device's kernel.
#pragma once

#include <cloze/kernels/cpu/sgd.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/sgd.hpp>
#include <cloze/kernels/sgd_args.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/sgd.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(sgd, SgdArgs)
CLOZE_KERNEL(sgd_rows, SgdRowsArgs)
}  // namespace cloze::kernels
