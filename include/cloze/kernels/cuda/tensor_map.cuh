// How Hopper's tensor memory accelerator is told what a tensor looks like: a description that the host makes and a
// kernel takes as a __grid_constant__ argument. The tests' emulator has a twin of this file.
#pragma once

#include <type_traits>

#include <cuda.h>
#include <cuda_runtime.h>

#include <cloze/core/cuda.cuh>
#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>

namespace cloze::kernels::cuda {

using TensorMap = CUtensorMap;

/// A box has so many rows of 64 columns of 16 bits: the 128 bytes that shared memory's places are exchanged in.
inline constexpr int tensor_map_rows = 64, tensor_box_bytes = tensor_map_rows * 128;

namespace detail {

/// The driver's function, found at run time: a program is not linked with libcuda. Throws [cloze.cuda.11].
inline auto tensor_map_encoder() {
  static const auto encoder = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result{};
#if CUDART_VERSION >= 12050
    const cudaError_t status =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result);
#else
    const cudaError_t status = cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &result);
#endif
    cloze::cuda::check(status, "looking for tensor maps");
    require(result == cudaDriverEntryPointSuccess && found, "cloze.cuda.11",
            "the driver has no tensor maps (query result {}): it is older than CUDA 12", static_cast<int>(result));
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
  }();
  return encoder;
}

}  // namespace detail

/// Rows, at least one, of `heads` heads of `head_size` columns each, `stride` elements apart. The addresses of rows and
/// heads are multiples of 16. Throws [cloze.cuda.11].
template <class T>
TensorMap tensor_map(const T* data, Index rows, Index heads, Index head_size, Index stride) {
  static_assert(sizeof(T) == 2);
  TensorMap map{};
  const cuuint64_t extents[3]{static_cast<cuuint64_t>(head_size), static_cast<cuuint64_t>(heads),
                              static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[2]{static_cast<cuuint64_t>(head_size * 2), static_cast<cuuint64_t>(stride * 2)};
  const cuuint32_t box[3]{64, 1, tensor_map_rows}, steps[3]{1, 1, 1};
  const CUresult status = detail::tensor_map_encoder()(
      &map, std::is_same_v<T, BFloat16> ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 3,
      const_cast<T*>(data), extents, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  require(status == CUDA_SUCCESS, "cloze.cuda.11",
          "the driver describes no tensor of {} x {} x {} elements with rows {} apart: error {}", rows, heads,
          head_size, stride, static_cast<int>(status));
  return map;
}

}  // namespace cloze::kernels::cuda
