// GEMM on Cuda: cuBLASLt in double, float, TF32 by option, and the 16-bit formats summed in float.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/cublaslt.cuh>
#include <cloze/kernels/gemm_args.hpp>

namespace cloze::kernels {

namespace cuda {

/// How cuBLASLt calls the elements of a tensor and what it computes them in.
template <class T>
struct LtTypes;
template <>
struct LtTypes<double> {
  static constexpr cudaDataType_t type = CUDA_R_64F, scale = CUDA_R_64F;
  static cublasComputeType_t compute() { return CUBLAS_COMPUTE_64F; }
};
template <>
struct LtTypes<float> {
  static constexpr cudaDataType_t type = CUDA_R_32F, scale = CUDA_R_32F;
  static cublasComputeType_t compute() {
    return cloze::cuda::tf32() ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  }
};
template <>
struct LtTypes<BFloat16> {
  static constexpr cudaDataType_t type = CUDA_R_16BF, scale = CUDA_R_32F;
  static cublasComputeType_t compute() { return CUBLAS_COMPUTE_32F; }
};
template <>
struct LtTypes<Float16> {
  static constexpr cudaDataType_t type = CUDA_R_16F, scale = CUDA_R_32F;
  static cublasComputeType_t compute() { return CUBLAS_COMPUTE_32F; }
};

/// A row-major product is the column-major one of the transposed matrices: the operands change places.
template <class T>
LtProduct lt_product(const GemmArgs<T>& g) {
  return LtProduct{.type = LtTypes<T>::type,
                   .scale = LtTypes<T>::scale,
                   .compute = LtTypes<T>::compute(),
                   .transpose_a = g.transpose_b,
                   .transpose_b = g.transpose_a,
                   .add = g.add,
                   .m = g.n,
                   .n = g.m,
                   .k = g.k,
                   .lda = g.ldb,
                   .ldb = g.lda,
                   .ldd = g.ldc,
                   .a = g.b,
                   .b = g.a,
                   .d = g.c};
}

}  // namespace cuda

template <class T>
void gemm(Cuda, const GemmArgs<T>& g) {
  if (g.m == 0 || g.n == 0) return;
  if (g.k == 0) {
    if (!g.add)
      cloze::cuda::check(cudaMemset2DAsync(g.c, static_cast<std::size_t>(g.ldc) * sizeof(T), 0,
                                           static_cast<std::size_t>(g.n) * sizeof(T), static_cast<std::size_t>(g.m),
                                           cloze::cuda::stream()),
                         "gemm");
    return;
  }
  cuda::lt_multiply(cuda::lt_product(g));
}

}  // namespace cloze::kernels
