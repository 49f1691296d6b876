// The one call site of every matrix product in the library.
#pragma once

#include <cloze/kernels/cpu/gemm.hpp>
#include <cloze/kernels/gemm_args.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/gemm.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/gemm.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(gemm, GemmArgs)
}  // namespace cloze::kernels
