// Matrix copies: every device's kernels.
#pragma once

#include <cloze/kernels/cpu/matrix_copy.hpp>
#include <cloze/kernels/matrix_copy_args.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/matrix_copy.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/matrix_copy.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(matrix_copy, MatrixCopyArgs)
CLOZE_KERNEL(transpose, TransposeArgs)
}  // namespace cloze::kernels
