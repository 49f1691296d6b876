// Looked-up rows, summed and normalised, on every device.
#pragma once

#include <cloze/kernels/cpu/embedding_norm.hpp>
#include <cloze/kernels/embedding_norm_args.hpp>
#include <cloze/kernels/missing.hpp>
#include <cloze/kernels/ref/embedding_norm.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/embedding_norm.cuh>
#endif

namespace cloze::kernels {
CLOZE_KERNEL(embedding_norm_forward, EmbeddingNormArgs)
}  // namespace cloze::kernels
