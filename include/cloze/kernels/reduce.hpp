// Reductions: every device's kernels.
#pragma once

#include <cloze/kernels/cpu/reduce.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/reduce_args.hpp>
#include <cloze/kernels/ref/reduce.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/reduce.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(sum_all, SumArgs)
CLOZE_KERNEL(row_sum, RowSumArgs)
CLOZE_KERNEL(spread, SpreadArgs)
CLOZE_KERNEL(segment_sum, SegmentSumArgs)
CLOZE_KERNEL(segment_spread, SegmentSpreadArgs)
}  // namespace cloze::kernels
