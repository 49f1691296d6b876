// cuBLASLt as the library calls it: one matrix product with its epilogue, the algorithm chosen once for shapes alike.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include <cublasLt.h>

#include <cloze/core/cuda_pool.cuh>
#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>

namespace cloze::kernels::cuda {

/// D = op(A) op(B) + beta D, as cuBLASLt sees it: column-major, op(A) [m, k], op(B) [k, n], D [m, n].
struct LtProduct {
  cudaDataType_t type, scale;  // of the matrices and the bias; of alpha and beta
  cublasComputeType_t compute;
  bool transpose_a, transpose_b, add;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  std::int64_t m, n, k, lda, ldb, ldd;
  const void *a, *b;
  void* d;
  const void* bias = nullptr;     // [m], for the epilogue that adds it
  void* bias_gradient = nullptr;  // [n], for the one that adds up op(B) over k
};

namespace detail {

inline void lt_check(cublasStatus_t status, const char* what, const LtProduct& p) {
  if (status == CUBLAS_STATUS_SUCCESS) [[likely]]
    return;
  fail("cloze.cuda.7", "cuBLASLt: {} for a product [{}, {}] x [{}, {}], type {}, epilogue {}: {}", what, p.m, p.k, p.k,
       p.n, static_cast<int>(p.type), static_cast<int>(p.epilogue), cublasLtGetStatusName(status));
}

/// A GPU's handle, made at its first use and kept.
inline cublasLtHandle_t lt_handle(int device, const LtProduct& p) {
  static std::mutex mutex;
  static std::array<cublasLtHandle_t, cloze::cuda::max_devices> handles{};
  const std::lock_guard lock(mutex);
  cublasLtHandle_t& handle = handles[static_cast<std::size_t>(device)];
  if (handle == nullptr) lt_check(cublasLtCreate(&handle), "starting the library", p);
  return handle;
}

/// The descriptors of one call. They live on the stack.
struct LtCall {
  cublasLtMatmulDescOpaque_t what;
  cublasLtMatrixLayoutOpaque_t a, b, d;

  explicit LtCall(const LtProduct& p) {
    lt_check(cublasLtMatmulDescInit(&what, p.compute, p.scale), "describing", p);
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, p);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, p);
    if (p.epilogue != CUBLASLT_EPILOGUE_DEFAULT) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, p.epilogue, p);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.epilogue == CUBLASLT_EPILOGUE_BGRADB ? p.bias_gradient : p.bias, p);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, p.type, p);
    }
    layout(a, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.lda, p);
    layout(b, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.ldb, p);
    layout(d, p.m, p.n, p.ldd, p);
  }

 private:
  template <class V>
  void set(cublasLtMatmulDescAttributes_t attribute, V value, const LtProduct& p) {
    lt_check(cublasLtMatmulDescSetAttribute(&what, attribute, &value, sizeof value), "describing", p);
  }
  static void layout(cublasLtMatrixLayoutOpaque_t& it, std::int64_t rows, std::int64_t columns, std::int64_t ld,
                     const LtProduct& p) {
    lt_check(cublasLtMatrixLayoutInit(&it, p.type, static_cast<std::uint64_t>(rows),
                                      static_cast<std::uint64_t>(columns), ld),
             "describing a matrix", p);
  }
};

/// What an algorithm is chosen by.
struct LtKey {
  std::array<std::int64_t, 7> numbers;
  std::array<std::uint8_t, 4> alignment;

  friend bool operator==(const LtKey&, const LtKey&) = default;
};
struct LtKeyHash {
  std::size_t operator()(const LtKey& key) const {
    std::uint64_t hash = std::bit_cast<std::uint32_t>(key.alignment);
    for (const std::int64_t number : key.numbers)
      hash = (std::rotl(hash, 23) ^ static_cast<std::uint64_t>(number)) * 0x9E3779B97F4A7C15u;
    return static_cast<std::size_t>(hash ^ hash >> 29);
  }
};

inline std::uint8_t alignment_of(const void* p) {
  const auto bits = static_cast<int>(std::countr_zero(reinterpret_cast<std::uintptr_t>(p) | 256u));
  return static_cast<std::uint8_t>(bits);
}

/// The algorithm and its workspace for a product; a state other than success where cuBLASLt has none.
inline cublasLtMatmulHeuristicResult_t lt_choose(cublasLtHandle_t handle, const LtProduct& p, std::size_t workspace) {
  LtCall call(p);
  cublasLtMatmulPreferenceOpaque_t wanted;
  lt_check(cublasLtMatmulPreferenceInit(&wanted), "choosing an algorithm", p);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    lt_check(cublasLtMatmulPreferenceSetAttribute(&wanted, attribute, &value, sizeof value), "choosing an algorithm",
             p);
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(workspace));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, std::uint32_t{1} << alignment_of(p.a));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, std::uint32_t{1} << alignment_of(p.b));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, std::uint32_t{1} << alignment_of(p.d));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, std::uint32_t{1} << alignment_of(p.d));
  int found = 0;
  cublasLtMatmulHeuristicResult_t chosen{};
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle, &call.what, &call.a, &call.b, &call.d, &call.d,
                                                               &wanted, 1, &chosen, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || found == 0) {
    chosen.state = CUBLAS_STATUS_NOT_SUPPORTED;
    return chosen;
  }
  lt_check(status, "choosing an algorithm", p);
  return chosen;
}

/// Extents that are rounded up to multiples of this share an algorithm: packed batches differ in a few tokens from step
/// to step, and choosing costs more than many of their products.
inline constexpr std::int64_t lt_bucket = 64;

/// The algorithm for `p`, as lt_choose() has it. It is chosen for the rounded shape, whatever the first shape was that
/// needed it, so that results do not depend on what was computed before.
inline const cublasLtMatmulHeuristicResult_t& lt_algorithm(cublasLtHandle_t handle, int device, const LtProduct& p,
                                                           bool exact, std::size_t workspace) {
  static std::mutex mutex;
  static std::unordered_map<LtKey, cublasLtMatmulHeuristicResult_t, LtKeyHash> known;
  const auto rounded = [&](std::int64_t x) { return exact ? x : (x + lt_bucket - 1) / lt_bucket * lt_bucket; };
  LtProduct alike = p;
  alike.m = rounded(p.m);
  alike.n = rounded(p.n);
  alike.k = rounded(p.k);
  // Strides too short for the rounded extents grow, but stay aligned to no more than they were.
  const auto stride = [](std::int64_t ld, std::int64_t rows) { return ld >= rows ? ld : rows + ld % lt_bucket; };
  alike.lda = stride(p.lda, p.transpose_a ? alike.k : alike.m);
  alike.ldb = stride(p.ldb, p.transpose_b ? alike.n : alike.k);
  alike.ldd = stride(p.ldd, alike.m);
  const std::int64_t kind = device | static_cast<std::int64_t>(p.type) << 8 | std::int64_t{p.compute} << 16 |
                            std::int64_t{p.transpose_a} << 24 | std::int64_t{p.transpose_b} << 25 |
                            std::int64_t{p.add} << 26 | std::int64_t{exact} << 27 | std::int64_t{p.epilogue} << 28;
  const LtKey key{
      {kind, alike.m, alike.n, alike.k, alike.lda, alike.ldb, alike.ldd},
      {alignment_of(p.a), alignment_of(p.b), alignment_of(p.d), alignment_of(p.bias ? p.bias : p.bias_gradient)}};
  const std::lock_guard lock(mutex);
  auto at = known.find(key);
  if (at == known.end()) at = known.emplace(key, lt_choose(handle, alike, workspace)).first;
  return at->second;  // a map keeps addresses
}

}  // namespace detail

/// Bytes that an algorithm may use beside the matrices.
inline constexpr std::size_t lt_workspace = std::size_t{32} << 20;

/// Computes it on the calling thread's stream. False where cuBLASLt has no algorithm for it: nothing was done then.
/// Throws [cloze.cuda.7] where it fails.
inline bool lt_try(const LtProduct& p) {
  const int device = cloze::cuda::device();
  const cublasLtHandle_t handle = detail::lt_handle(device, p);
  detail::LtCall call(p);
  const double one = 1, zero = 0;
  const float one_float = 1, zero_float = 0;
  const bool wide = p.scale == CUDA_R_64F;
  const void* alpha = wide ? static_cast<const void*>(&one) : &one_float;
  const void* beta = p.add ? alpha : (wide ? static_cast<const void*>(&zero) : &zero_float);
  bool found = false;
  const auto run = [&](bool exact) {
    const cublasLtMatmulHeuristicResult_t& chosen = detail::lt_algorithm(handle, device, p, exact, lt_workspace);
    found = chosen.state == CUBLAS_STATUS_SUCCESS;
    if (!found) return CUBLAS_STATUS_NOT_SUPPORTED;
    const std::size_t bytes = chosen.workspaceSize;
    auto& pool = cloze::cuda::DevicePool::instance();
    void* workspace = bytes ? pool.allocate(bytes) : nullptr;
    const cublasStatus_t status =
        cublasLtMatmul(handle, &call.what, alpha, p.a, &call.a, p.b, &call.b, beta, p.d, &call.d, p.d, &call.d,
                       &chosen.algo, workspace, bytes, cloze::cuda::stream());
    if (workspace) pool.release(workspace);  // whoever gets it next comes later on this stream
    return status;
  };
  cublasStatus_t status = run(false);
  // The caller can do without an epilogue: cheaper than to ask again for every shape of its kind.
  if (!found && p.epilogue != CUBLASLT_EPILOGUE_DEFAULT) return false;
  // An algorithm for the rounded shape may be one that this very shape cannot have.
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) status = run(true);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return false;
  detail::lt_check(status, "computing", p);
  return true;
}

/// The same for products that there is no other way to compute. Throws [cloze.cuda.8] where cuBLASLt has no algorithm.
inline void lt_multiply(const LtProduct& p) {
  require(lt_try(p), "cloze.cuda.8",
          "cuBLASLt has no algorithm for a product [{}, {}] x [{}, {}], type {}, strides {}, {}, {}", p.m, p.k, p.k,
          p.n, static_cast<int>(p.type), p.lda, p.ldb, p.ldd);
}

}  // namespace cloze::kernels::cuda
