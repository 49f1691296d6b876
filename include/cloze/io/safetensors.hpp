// SafetensorsFile: named tensors in one memory-mapped file, read into the scalar the caller wants.
#pragma once

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <type_traits>

#include <cloze/io/mapped_file.hpp>
#include <cloze/io/safetensors_header.hpp>
#include <cloze/tensor/tensor.hpp>

namespace cloze {

namespace detail {

/// Elements from unaligned bytes, through a small buffer that stays in the first cache.
template <class From, class Use>
void read_unaligned(const std::byte* from, Index count, Use&& use) {
  constexpr Index block = 1024;
  From buffer[block];
  for (Index done = 0; done < count; done += block) {
    const Index now = std::min(block, count - done);
    std::memcpy(buffer, from + done * static_cast<Index>(sizeof(From)), static_cast<std::size_t>(now) * sizeof(From));
    use(buffer, done, now);
  }
}

}  // namespace detail

/// An open safetensors file. The header is checked whole when it is opened (parse_safetensors_header), data are read on
/// demand. Move only.
class SafetensorsFile {
 public:
  /// Errors: MappedFile's and parse_safetensors_header's.
  explicit SafetensorsFile(const std::filesystem::path& path) : SafetensorsFile(MappedFile(path), path.string()) {}

  /// A file that is in memory already; `where` names it in errors.
  static SafetensorsFile from_bytes(std::vector<std::byte> bytes, std::string where = "<memory>") {
    return SafetensorsFile(std::move(bytes), std::move(where));
  }

  const std::string& where() const { return where_; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  /// Every tensor, in the order of their bytes.
  std::span<const TensorInfo> tensors() const { return {header_.tensors.data(), header_.tensors.size()}; }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const TensorInfo& info : tensors()) names.push_back(info.name);
    return names;
  }
  bool contains(const std::string& name) const { return header_.position_of.contains(name); }

  /// Errors: [cloze.safetensors.6] no such tensor.
  const TensorInfo& info(const std::string& name) const {
    const auto at = header_.position_of.find(name);
    require(at != header_.position_of.end(), "cloze.safetensors.6", "{}: no tensor \"{}\" among its {}", where_, name,
            header_.tensors.size());
    return header_.tensors[at->second];
  }

  /// The stored bytes of one tensor; they live as long as this object and may lie unaligned.
  std::span<const std::byte> raw(const std::string& name) const {
    const TensorInfo& found = info(name);
    return bytes().subspan(header_.data_begin + found.begin, found.end - found.begin);
  }

  /// True where `name` is stored as int8 rows with a float scale each: metadata "format" is "cloze-int8-rows", the
  /// tensor is I8 [rows, columns] and "<name>.scale" is F32 [rows]. Such a tensor reads as value * scale of its row.
  bool is_quantised(const std::string& name) const {
    const auto format = header_.metadata.find("format");
    return format != header_.metadata.end() && format->second == "cloze-int8-rows" && info(name).dtype == Dtype::i8;
  }

  /// True where `name` only holds the scales of another, quantised tensor.
  bool is_scale(const std::string& name) const {
    constexpr std::string_view suffix = ".scale";
    if (!name.ends_with(suffix)) return false;
    const std::string of = name.substr(0, name.size() - suffix.size());
    return contains(of) && is_quantised(of);
  }

  /// Copies a tensor's elements, row-major, into `to`. A floating-point T reads any floating-point dtype (rounded once
  /// where T is narrower) and quantised tensors; an integer T reads any integer dtype or BOOL whose values it can hold.
  /// Errors: [cloze.safetensors.6] no such tensor, [cloze.safetensors.7] another number of elements, or a dtype or
  /// value that T cannot hold, [cloze.safetensors.8] a quantised tensor without fitting scales.
  template <class T>
  void read_into(const std::string& name, std::span<T> to) const {
    const TensorInfo& found = info(name);
    require(static_cast<Index>(to.size()) == found.shape.size(), "cloze.safetensors.7",
            "{}: tensor \"{}\": wanted {} elements, found shape {}", where_, name, to.size(), found.shape);
    constexpr bool wanted = is_floating(dtype_of<T>);
    if constexpr (wanted) {
      if (is_quantised(name)) return read_quantised(found, to.data());
    }
    require(is_floating(found.dtype) == wanted, "cloze.safetensors.7",
            "{}: tensor \"{}\": wanted {} elements, found dtype {}", where_, name,
            wanted ? "floating-point" : "integer", dtype_name(found.dtype));
    if (found.dtype == dtype_of<T>) {
      if (!to.empty()) std::memcpy(to.data(), raw(name).data(), to.size_bytes());
      return;
    }
    with_dtype(found.dtype, [&]<class From>(From) {
      if constexpr (std::integral<From> == std::integral<T>) convert_into<From>(found, to.data());
    });
  }

  /// A new tensor of the stored shape. Errors: read_into's.
  template <Scalar T, Device D = Cpu>
  Tensor<T, D> read(const std::string& name) const {
    const Shape shape = info(name).shape;
    if constexpr (HostDevice<D>) {
      auto tensor = Tensor<T, D>::empty(shape);
      read_into(name, tensor.span());
      return tensor;
    } else {
      std::vector<T> values(static_cast<std::size_t>(shape.size()));
      read_into(name, std::span<T>(values.data(), values.size()));
      return Tensor<T, D>::from(values, shape);
    }
  }

  /// The elements of an integer (or floating-point) tensor. Errors: read_into's.
  template <class T>
  std::vector<T> read_values(const std::string& name) const {
    std::vector<T> values(static_cast<std::size_t>(info(name).shape.size()));
    read_into(name, std::span<T>(values.data(), values.size()));
    return values;
  }

 private:
  SafetensorsFile(MappedFile file, std::string where)
      : file_(std::move(file)), where_(std::move(where)), header_(parse_safetensors_header(bytes(), where_)) {}
  SafetensorsFile(std::vector<std::byte> memory, std::string where)
      : memory_(std::move(memory)), where_(std::move(where)), header_(parse_safetensors_header(bytes(), where_)) {}

  std::span<const std::byte> bytes() const {
    return memory_.empty() ? file_.bytes() : std::span(memory_.data(), memory_.size());
  }

  template <class From, class T>
  void convert_into(const TensorInfo& found, T* to) const {
    bool fits = true;
    detail::read_unaligned<From>(raw(found.name).data(), found.shape.size(), [&](const From* from, Index at, Index n) {
      convert(from, to + at, n);
      if constexpr (std::integral<T>) {
        for (Index i = 0; i < n; ++i) fits &= std::in_range<T>(from[i]);
      } else if constexpr (sizeof(From) > sizeof(T)) {
        for (Index i = 0; i < n; ++i)
          fits &= std::isfinite(convert<double>(to[at + i])) || !std::isfinite(convert<double>(from[i]));
      }
    });
    require(fits, "cloze.safetensors.7",
            "{}: tensor \"{}\": a value of dtype {} is out of range for what was asked for", where_, found.name,
            dtype_name(found.dtype));
  }

  template <class T>
  void read_quantised(const TensorInfo& found, T* to) const {
    const std::string scale_name = found.name + ".scale";
    require(found.shape.rank() == 2 && contains(scale_name) && info(scale_name).dtype == Dtype::f32 &&
                info(scale_name).shape == Shape{found.shape[0]},
            "cloze.safetensors.8",
            "{}: tensor \"{}\": wanted I8 [rows, columns] and F32 [rows] \"{}\", found {} and {}", where_, found.name,
            scale_name, found.shape,
            contains(scale_name) ? std::string(dtype_name(info(scale_name).dtype)) + " " + info(scale_name).shape.text()
                                 : "nothing");
    const auto scales = read_values<float>(scale_name);
    const Index columns = found.shape[1];
    const std::byte* from = raw(found.name).data();
    for (std::size_t row = 0; row < scales.size(); ++row) {
      require(std::isfinite(scales[row]), "cloze.safetensors.8", "{}: \"{}\": the scale of row {} is not finite",
              where_, scale_name, row);
      const auto scale = static_cast<Compute<T>>(scales[row]);
      for (Index c = 0; c < columns; ++c)
        *to++ = static_cast<T>(static_cast<Compute<T>>(static_cast<std::int8_t>(*from++)) * scale);
    }
  }

  MappedFile file_;
  std::vector<std::byte> memory_;
  std::string where_;
  SafetensorsHeader header_;
};

}  // namespace cloze
