// AdamW updates: every device's kernel.
#pragma once

#include <cloze/kernels/adamw_args.hpp>
#include <cloze/kernels/cpu/adamw.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/adamw.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/adamw.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(adamw, AdamWArgs)
CLOZE_KERNEL(adamw_rows, AdamWRowsArgs)
}  // namespace cloze::kernels
