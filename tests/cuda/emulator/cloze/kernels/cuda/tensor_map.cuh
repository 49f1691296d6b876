// The emulator's twin of kernels/cuda/tensor_map.cuh, with the demands that the driver makes of a tensor.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include <cloze/core/cuda.cuh>
#include <cloze/core/dtype.hpp>
#include <cloze/core/ids.hpp>

namespace cloze::kernels::cuda {

struct TensorMap {
  const unsigned char* data = nullptr;
  Index extents[3]{}, strides[2]{};  // strides in bytes, of heads and rows
};

inline constexpr int tensor_map_rows = 64, tensor_box_bytes = tensor_map_rows * 128;

template <class T>
TensorMap tensor_map(const T* data, Index rows, Index heads, Index head_size, Index stride) {
  static_assert(sizeof(T) == 2);
  const TensorMap map{
      reinterpret_cast<const unsigned char*>(data), {head_size, heads, rows}, {head_size * 2, stride * 2}};
  const auto extent = [](Index n) { return n > 0 && n <= Index{1} << 32; };
  const auto step = [](Index n) { return n > 0 && n % 16 == 0 && n < Index{1} << 40; };
  require(data && reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && extent(rows) && extent(heads) &&
              extent(head_size) && step(map.strides[0]) && step(map.strides[1]),
          "cloze.cuda.11", "the emulated driver describes no tensor of {} x {} x {} elements with rows {} apart", rows,
          heads, head_size, stride);
  return map;
}

}  // namespace cloze::kernels::cuda
