// Column groups: every device's kernels.
#pragma once

#include <cloze/kernels/column_reduce_args.hpp>
#include <cloze/kernels/cpu/column_reduce.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/column_reduce.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/column_reduce.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(column_reduce_forward, ColumnReduceArgs)
CLOZE_KERNEL(column_reduce_backward, ColumnReduceBackwardArgs)
}  // namespace cloze::kernels
