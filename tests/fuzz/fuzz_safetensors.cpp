// Any bytes are either a safetensors file, all of whose tensors can be read, or a cloze::Error.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <cloze/io/safetensors.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> bytes(size);
  if (size != 0) std::memcpy(bytes.data(), data, size);
  try {
    const auto file = cloze::SafetensorsFile::from_bytes(std::move(bytes));
    for (const cloze::TensorInfo& info : file.tensors()) {
      try {
        if (cloze::is_floating(info.dtype) || file.is_quantised(info.name)) {
          file.read<float>(info.name);
        } else {
          file.read_values<std::int8_t>(info.name);
        }
      } catch (const cloze::Error&) {  // a value that does not fit
      }
    }
  } catch (const cloze::Error&) {
  }
  return 0;
}
