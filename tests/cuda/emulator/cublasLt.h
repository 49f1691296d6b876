// The part of cuBLASLt that the library calls, as plain loops: column-major products with the epilogues that
// add a bias or add up its gradient, in double. Written from the manual of cuBLASLt, "cublasLtMatmul()" and
// "cublasLtEpilogue_t".
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include <cuda_runtime.h>

#include <cloze/core/dtype.hpp>

enum cublasStatus_t {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_NOT_SUPPORTED = 15
};
enum cudaDataType_t { CUDA_R_32F = 0, CUDA_R_64F = 1, CUDA_R_16F = 2, CUDA_R_16BF = 14 };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F = 68, CUBLAS_COMPUTE_32F_FAST_TF32 = 77, CUBLAS_COMPUTE_64F = 70 };
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum cublasLtEpilogue_t { CUBLASLT_EPILOGUE_DEFAULT = 1, CUBLASLT_EPILOGUE_BIAS = 4, CUBLASLT_EPILOGUE_BGRADB = 512 };
enum cublasLtMatmulDescAttributes_t {
  CUBLASLT_MATMUL_DESC_TRANSA = 3,
  CUBLASLT_MATMUL_DESC_TRANSB = 4,
  CUBLASLT_MATMUL_DESC_EPILOGUE = 7,
  CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8,
  CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE = 26
};
enum cublasLtMatmulPreferenceAttributes_t {
  CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8
};

using cublasLtHandle_t = struct cublasLtContext*;
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute;
  cudaDataType_t scale, bias_type;
  cublasOperation_t transpose_a, transpose_b;
  cublasLtEpilogue_t epilogue;
  void* bias;
};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType_t type;
  std::int64_t rows, columns, ld;
};
struct cublasLtMatmulPreferenceOpaque_t {
  std::uint32_t alignment_a, alignment_b, alignment_c, alignment_d;
};
struct cublasLtMatmulAlgo_t {
  std::int64_t m, n, k;  // what it was chosen for
  std::uint32_t alignment_a, alignment_b, alignment_d;
};
struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  std::size_t workspaceSize;
  cublasStatus_t state;
};

namespace cloze::emulator {
/// What a test sees of the products, and how it makes them fail.
struct Lt {
  int chosen = 0;   // algorithms asked for
  int refused = 0;  // the next so many products are not supported
  bool no_algorithm = false, no_epilogue = false, failing = false;
  cublasStatus_t start = CUBLAS_STATUS_SUCCESS;
};
inline Lt& lt() {
  static Lt state;
  return state;
}
}  // namespace cloze::emulator

inline const char* cublasLtGetStatusName(cublasStatus_t status) {
  return status == CUBLAS_STATUS_NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_OTHER";
}
inline cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(handle);
  return cloze::emulator::lt().start;
}
inline cublasStatus_t cublasLtMatmulDescInit(cublasLtMatmulDescOpaque_t* it, cublasComputeType_t compute,
                                             cudaDataType_t scale) {
  *it = {compute, scale, scale, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, nullptr};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDescOpaque_t* it,
                                                     cublasLtMatmulDescAttributes_t attribute, const void* value,
                                                     std::size_t bytes) {
  void* where = nullptr;
  std::size_t wanted = 4;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      where = &it->transpose_a;
      break;
    case CUBLASLT_MATMUL_DESC_TRANSB:
      where = &it->transpose_b;
      break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      where = &it->epilogue;
      break;
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      where = &it->bias_type;
      break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      where = &it->bias;
      wanted = sizeof(void*);
      break;
  }
  if (bytes != wanted) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(where, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutInit(cublasLtMatrixLayoutOpaque_t* it, cudaDataType_t type,
                                               std::uint64_t rows, std::uint64_t columns, std::int64_t ld) {
  *it = {type, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns), ld};
  return ld < it->rows ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceInit(cublasLtMatmulPreferenceOpaque_t* it) {
  *it = {256, 256, 256, 256};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreferenceOpaque_t* it,
                                                           cublasLtMatmulPreferenceAttributes_t attribute,
                                                           const void* value, std::size_t bytes) {
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
    return bytes == 8 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
  if (bytes != 4) return CUBLAS_STATUS_INVALID_VALUE;
  std::uint32_t* where = &it->alignment_a + (attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
  std::memcpy(where, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

namespace cloze::emulator {

struct LtShape {
  std::int64_t m, n, k;
};
inline bool lt_shape(const cublasLtMatmulDescOpaque_t& what, const cublasLtMatrixLayoutOpaque_t& a,
                     const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& d, LtShape& shape) {
  const bool ta = what.transpose_a == CUBLAS_OP_T, tb = what.transpose_b == CUBLAS_OP_T;
  shape = {ta ? a.columns : a.rows, tb ? b.rows : b.columns, ta ? a.rows : a.columns};
  return shape.k == (tb ? b.columns : b.rows) && shape.m == d.rows && shape.n == d.columns && a.type == b.type &&
         a.type == d.type;
}

template <class T>
double read(const void* p, std::int64_t at) {
  return cloze::convert<double>(static_cast<const T*>(p)[at]);
}
template <class T>
void write(void* p, std::int64_t at, double value) {
  static_cast<T*>(p)[at] = cloze::convert<T>(value);
}
/// A factor as the tensor cores see it: rounded to ten bits of fraction for TF32.
inline double factor(const cublasLtMatmulDescOpaque_t& what, double x) {
  if (what.compute != CUBLAS_COMPUTE_32F_FAST_TF32) return x;
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
  return std::bit_cast<float>((bits + 0x1000u) & ~0x1FFFu);
}

template <class T>
void lt_product(const cublasLtMatmulDescOpaque_t& what, const LtShape& shape, double alpha, const void* a,
                std::int64_t lda, const void* b, std::int64_t ldb, double beta, void* d, std::int64_t ldd) {
  const bool ta = what.transpose_a == CUBLAS_OP_T, tb = what.transpose_b == CUBLAS_OP_T;
  const auto b_at = [&](std::int64_t p, std::int64_t j) { return read<T>(b, tb ? j + p * ldb : p + j * ldb); };
  for (std::int64_t j = 0; j < shape.n; ++j)
    for (std::int64_t i = 0; i < shape.m; ++i) {
      double sum = 0;
      for (std::int64_t p = 0; p < shape.k; ++p)
        sum += factor(what, read<T>(a, ta ? p + i * lda : i + p * lda)) * factor(what, b_at(p, j));
      sum *= alpha;
      if (beta != 0) sum += beta * read<T>(d, i + j * ldd);
      if (what.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += read<T>(what.bias, i);
      write<T>(d, i + j * ldd, sum);
    }
  if (what.epilogue == CUBLASLT_EPILOGUE_BGRADB)
    for (std::int64_t j = 0; j < shape.n; ++j) {
      double sum = 0;
      for (std::int64_t p = 0; p < shape.k; ++p) sum += b_at(p, j);
      write<T>(what.bias, j, sum);
    }
}

}  // namespace cloze::emulator

inline cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, const cublasLtMatmulDescOpaque_t* what, const cublasLtMatrixLayoutOpaque_t* a,
    const cublasLtMatrixLayoutOpaque_t* b, const cublasLtMatrixLayoutOpaque_t*, const cublasLtMatrixLayoutOpaque_t* d,
    const cublasLtMatmulPreferenceOpaque_t* wanted, int, cublasLtMatmulHeuristicResult_t* result, int* found) {
  cloze::emulator::LtShape shape{};
  if (!cloze::emulator::lt_shape(*what, *a, *b, *d, shape)) return CUBLAS_STATUS_INVALID_VALUE;
  ++cloze::emulator::lt().chosen;
  const auto& state = cloze::emulator::lt();
  *found = state.no_algorithm || (state.no_epilogue && what->epilogue != CUBLASLT_EPILOGUE_DEFAULT) ? 0 : 1;
  if (*found == 0) return CUBLAS_STATUS_NOT_SUPPORTED;
  *result = {{shape.m, shape.n, shape.k, wanted->alignment_a, wanted->alignment_b, wanted->alignment_d},
             4096,
             CUBLAS_STATUS_SUCCESS};
  return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasLtMatmul(cublasLtHandle_t, const cublasLtMatmulDescOpaque_t* what, const void* alpha,
                                     const void* a, const cublasLtMatrixLayoutOpaque_t* at, const void* b,
                                     const cublasLtMatrixLayoutOpaque_t* bt, const void* beta, const void* c,
                                     const cublasLtMatrixLayoutOpaque_t*, void* d,
                                     const cublasLtMatrixLayoutOpaque_t* dt, const cublasLtMatmulAlgo_t* algo,
                                     void* workspace, std::size_t bytes, cudaStream_t stream) {
  using namespace cloze::emulator;
  LtShape shape{};
  if (!lt_shape(*what, *at, *bt, *dt, shape) || c != d || (bytes != 0 && workspace == nullptr) || bytes < 4096)
    return CUBLAS_STATUS_INVALID_VALUE;
  const auto aligned = [](const void* p, std::uint32_t to) { return reinterpret_cast<std::uintptr_t>(p) % to == 0; };
  if (shape.m > algo->m || shape.n > algo->n || shape.k > algo->k || !aligned(a, algo->alignment_a) ||
      !aligned(b, algo->alignment_b) || !aligned(d, algo->alignment_d))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (lt().failing) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (lt().refused > 0) {
    --lt().refused;
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  const auto scalar = [&](const void* p) {
    return what->scale == CUDA_R_64F ? *static_cast<const double*>(p) : *static_cast<const float*>(p);
  };
  const cudaError_t status = issue(stream, Kind::kernel,
                                   [=, what = *what, type = at->type, lda = at->ld, ldb = bt->ld, ldd = dt->ld,
                                    one = scalar(alpha), zero = scalar(beta)] {
                                     std::memset(workspace, 0xFF, bytes);
                                     const auto run = [&](auto element) {
                                       lt_product<decltype(element)>(what, shape, one, a, lda, b, ldb, zero, d, ldd);
                                     };
                                     switch (type) {
                                       case CUDA_R_64F:
                                         run(double{});
                                         break;
                                       case CUDA_R_32F:
                                         run(float{});
                                         break;
                                       case CUDA_R_16F:
                                         run(cloze::Float16{});
                                         break;
                                       case CUDA_R_16BF:
                                         run(cloze::BFloat16{});
                                         break;
                                     }
                                   });
  return status == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
