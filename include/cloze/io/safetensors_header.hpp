// The header of a safetensors file: which tensors it holds and where, every claim checked against the file's size.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/core/dtype.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/tensor/shape.hpp>

namespace cloze {

/// What a file says about one tensor.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::f32;
  Shape shape;
  std::size_t begin = 0, end = 0;  // its bytes, from the first byte after the header
};

/// All tensors of a file, in the order of their bytes.
struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::size_t> position_of;  // name -> index in `tensors`
  std::map<std::string, std::string> metadata;     // the free-form "__metadata__"
  std::size_t data_begin = 0;                      // where the tensors' bytes begin in the file
};

namespace detail {

/// The format's own cap, so that a lying length cannot make a reader parse gigabytes.
inline constexpr std::uint64_t safetensors_max_header = 100'000'000;

/// Refuses an object that names a key twice, which a plain parse would settle in silence.
class SafetensorsJson : public JsonBuilder {
 public:
  using JsonBuilder::JsonBuilder;

  bool key(std::string& name) override {
    require(json_find(innermost(), name) == nullptr, "cloze.safetensors.3", "{}: \"{}\" is named twice in the header",
            where(), name);
    return JsonBuilder::key(name);
  }
  bool parse_error(std::size_t byte, const std::string&, const nlohmann::json::exception& error) override {
    fail("cloze.safetensors.2", "{}: the header is not JSON: byte {}: {}", where(), byte, error.what());
  }
};

inline nlohmann::json parse_safetensors_json(std::string_view text, const std::string& where) {
  nlohmann::json header;
  SafetensorsJson(header, where).parse(text);
  return header;
}

inline TensorInfo parse_tensor_info(const std::string& name, const nlohmann::json& entry, const std::string& where) {
  const auto wrong = [&](std::string_view what) {
    fail("cloze.safetensors.4", "{}: tensor \"{}\": {}, found {}", where, name, what,
         entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 200));
  };
  TensorInfo info;
  info.name = name;
  const nlohmann::json* found_dtype = json_find(entry, "dtype");
  const nlohmann::json* found_shape = json_find(entry, "shape");
  const nlohmann::json* found_offsets = json_find(entry, "data_offsets");
  if (found_dtype == nullptr || found_shape == nullptr || found_offsets == nullptr)
    wrong("wanted an object with dtype, shape and data_offsets");
  const nlohmann::json& shape = *found_shape;
  const nlohmann::json& offsets = *found_offsets;
  const auto* dtype = found_dtype->get_ptr<const std::string*>();
  const auto known = dtype != nullptr ? dtype_from_name(*dtype) : std::nullopt;
  if (!known) wrong("wanted a dtype of F64, F32, F16, BF16, I64, I32, I8, U8, BOOL");
  info.dtype = *known;
  if (!shape.is_array() || shape.size() > Shape::max_rank) wrong("wanted a shape of at most 6 extents");
  std::vector<Index> extents;
  std::uint64_t bytes = static_cast<std::uint64_t>(dtype_size(info.dtype));
  bool empty = false;
  for (const auto& extent : shape) {
    const auto* number = extent.get_ptr<const std::uint64_t*>();
    if (number == nullptr) wrong("wanted extents that are whole numbers and not negative");
    const std::uint64_t value = *number;
    constexpr std::uint64_t most = std::uint64_t{1} << 59;
    if (value > most || (value != 0 && bytes > most / value)) wrong("wanted a shape whose size fits 64 bits");
    if (value == 0) empty = true;
    bytes *= value == 0 ? 1 : value;
    extents.push_back(static_cast<Index>(value));
  }
  info.shape = Shape({extents.data(), extents.size()});
  if (empty) bytes = 0;
  const bool two = offsets.is_array() && offsets.size() == 2;
  const auto* begin = two ? offsets[0].get_ptr<const std::uint64_t*>() : nullptr;
  const auto* end = two ? offsets[1].get_ptr<const std::uint64_t*>() : nullptr;
  if (begin == nullptr || end == nullptr) wrong("wanted data_offsets of two whole numbers");
  info.begin = *begin;
  info.end = *end;
  if (info.begin > info.end) wrong("wanted data_offsets in order");
  if (info.end - info.begin != bytes) wrong(formatted("wanted {} bytes for this dtype and shape", bytes));
  return info;
}

}  // namespace detail

/// Reads the header of a whole file in `bytes`; `where` names the file in errors. Nothing it says is believed
/// unchecked: tensors must lie end to end, from the first byte after the header to the last of the file, as the format
/// demands. Format: 8 bytes little-endian header length, JSON, data (github.com/huggingface/safetensors). Errors:
/// [cloze.safetensors.1] too short for its own header, [cloze.safetensors.2] broken JSON, [cloze.safetensors.3] a name
/// twice, [cloze.safetensors.4] an entry that is no tensor or whose size does not follow from dtype and shape,
/// [cloze.safetensors.5] tensors that overlap, leave gaps or reach beyond the file, or a file longer than they are,
/// [cloze.json.3] nested too deeply.
inline SafetensorsHeader parse_safetensors_header(std::span<const std::byte> bytes, const std::string& where) {
  require(bytes.size() >= 8, "cloze.safetensors.1", "{}: wanted at least 8 bytes, found {}", where, bytes.size());
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i)
    length = length << 8 | std::to_integer<std::uint64_t>(bytes[static_cast<std::size_t>(i)]);
  require(length <= detail::safetensors_max_header, "cloze.safetensors.1",
          "{}: wanted a header of at most {} bytes, found a length of {}: not a safetensors file?", where,
          detail::safetensors_max_header, length);
  require(length <= bytes.size() - 8, "cloze.safetensors.1",
          "{}: wanted a header of {} bytes, found {} bytes after its length: the file is cut short", where, length,
          bytes.size() - 8);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  require(!text.empty() && text.front() == '{', "cloze.safetensors.2", "{}: the header does not begin with '{{'",
          where);
  const nlohmann::json json = detail::parse_safetensors_json(text, where);

  SafetensorsHeader header;
  header.data_begin = 8 + static_cast<std::size_t>(length);
  for (const auto& [name, entry] : json_members(json, where)) {
    if (name != "__metadata__") {
      header.tensors.push_back(detail::parse_tensor_info(name, entry, where));
      continue;
    }
    require(entry.is_object(), "cloze.safetensors.4", "{}: wanted \"__metadata__\" to be an object, found {}", where,
            entry.type_name());
    for (const auto& [key, value] : json_members(entry, where)) {
      require(value.is_string(), "cloze.safetensors.4", "{}: wanted metadata \"{}\" to be a string, found {}", where,
              key, value.type_name());
      header.metadata[key] = *value.get_ptr<const std::string*>();
    }
  }
  std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  const std::size_t size = bytes.size() - header.data_begin;
  std::size_t expected = 0;
  for (const TensorInfo& info : header.tensors) {
    require(info.begin == expected, "cloze.safetensors.5",
            "{}: tensor \"{}\": wanted its bytes to begin at {}, where the one before ends, found {}", where, info.name,
            expected, info.begin);
    require(info.end <= size, "cloze.safetensors.5",
            "{}: tensor \"{}\": wanted bytes [{}, {}) of the data, found {} bytes: the file is cut short", where,
            info.name, info.begin, info.end, size);
    expected = info.end;
  }
  require(expected == size, "cloze.safetensors.5",
          "{}: wanted {} bytes of data for the tensors in the header, found {}", where, expected, size);
  for (std::size_t i = 0; i < header.tensors.size(); ++i) header.position_of[header.tensors[i].name] = i;
  return header;
}

}  // namespace cloze
