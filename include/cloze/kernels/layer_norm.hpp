// LayerNorm with residual and dropout: every device's kernel.
#pragma once

#include <cloze/kernels/cpu/layer_norm.hpp>
#include <cloze/kernels/layer_norm_args.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/layer_norm.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/layer_norm.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(layer_norm_forward, LayerNormArgs)
CLOZE_KERNEL(layer_norm_backward, LayerNormBackwardArgs)
}  // namespace cloze::kernels
