// Softmax: every device's kernels.
#pragma once

#include <cloze/kernels/cpu/softmax.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/softmax.hpp>
#include <cloze/kernels/softmax_args.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/softmax.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(softmax_forward, SoftmaxArgs)
CLOZE_KERNEL(softmax_backward, SoftmaxBackwardArgs)
CLOZE_KERNEL(logsumexp_forward, LogSumExpArgs)
CLOZE_KERNEL(logsumexp_backward, LogSumExpBackwardArgs)
}  // namespace cloze::kernels
