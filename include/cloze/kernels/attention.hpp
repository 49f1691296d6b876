// Attention over packed sequences: every device's kernel.
#pragma once

#include <cloze/kernels/attention_args.hpp>
#include <cloze/kernels/cpu/attention.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/attention.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/attention.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(attention_forward, AttentionArgs)
CLOZE_KERNEL(attention_backward, AttentionBackwardArgs)
}  // namespace cloze::kernels
