// Writing safetensors files: atomic, in the dtype asked for, read back by Hugging Face's library.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/dtype.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/io/output_file.hpp>
#include <cloze/tensor/tensor.hpp>

namespace cloze {

/// Collects tensors, then writes them all. Nothing is copied or converted before write().
class SafetensorsWriter {
 public:
  /// Adds to the file's free-form metadata, or replaces it. Hugging Face's own files say "format": "pt".
  void set_metadata(const std::string& key, const std::string& value) { metadata_[key] = value; }

  /// Adds elements stored as `dtype`; `values` must live until the last write(). Floating-point values go to any
  /// floating-point dtype (rounded once, to nearest), integers to their own dtype.
  /// Errors: [cloze.safetensors_write.1] a name twice, empty or "__metadata__", a shape of another size, or a dtype
  /// that cannot store a T.
  template <class T>
  void add(const std::string& name, const Shape& shape, std::span<const T> values, Dtype dtype = dtype_of<T>) {
    require(static_cast<Index>(values.size()) == shape.size(), "cloze.safetensors_write.1",
            "tensor \"{}\": {} values for shape {}", name, values.size(), shape);
    add_entry<T>(name, shape, dtype, [name, values, dtype](OutputFile& file) { write_as(file, name, values, dtype); });
  }

  /// Adds a tensor (a handle: it is read at write()). Errors: as above.
  template <Scalar T, Device D>
  void add(const std::string& name, const Tensor<T, D>& tensor, Dtype dtype = dtype_of<T>) {
    add_entry<T>(name, tensor.shape(), dtype, [name, tensor, dtype](OutputFile& file) {
      if constexpr (HostDevice<D>) {
        write_as<T>(file, name, tensor.span(), dtype);
      } else {
        const std::vector<T> values = tensor.to_vector();
        write_as<T>(file, name, values, dtype);
      }
    });
  }

  /// Writes beside `path`, flushes, and renames over it. Errors: [cloze.file.3] the disk refuses, and then `path` is as
  /// it was; [cloze.safetensors_write.2] a finite value too large for its dtype, or a name that is not UTF-8.
  void write(const std::filesystem::path& path) const {
    AtomicFile file(path);
    write(file.file());
    file.commit();
  }

  /// The same bytes into an open file. Does not finish() it.
  void write(OutputFile& file) const {
    // Widest elements first, so that each tensor is aligned for its dtype; then by name.
    std::vector<std::size_t> order(entries_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
      const Index wide = dtype_size(entries_[a].dtype), other = dtype_size(entries_[b].dtype);
      return wide != other ? wide > other : entries_[a].name < entries_[b].name;
    });
    const std::string text = header(order);
    std::byte length[8];
    for (int i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(text.size() >> (8 * i));
    file.write(length);
    file.write(text);
    for (const std::size_t at : order) entries_[at].write(file);
  }

 private:
  struct Entry {
    std::string name;
    Shape shape;
    Dtype dtype;
    std::function<void(OutputFile&)> write;
  };

  template <class T>
  void add_entry(const std::string& name, const Shape& shape, Dtype dtype, std::function<void(OutputFile&)> write) {
    require(!name.empty() && name != "__metadata__", "cloze.safetensors_write.1", "\"{}\" cannot name a tensor", name);
    require(is_floating(dtype_of<T>) ? is_floating(dtype) : dtype == dtype_of<T>, "cloze.safetensors_write.1",
            "tensor \"{}\": {} elements cannot be stored as {}", name, dtype_name(dtype_of<T>), dtype_name(dtype));
    require(names_.insert(name).second, "cloze.safetensors_write.1", "tensor \"{}\" was added twice", name);
    entries_.push_back({name, shape, dtype, std::move(write)});
  }

  std::string header(const std::vector<std::size_t>& order) const {
    std::string text = "{";
    try {
      if (!metadata_.empty()) {
        nlohmann::json metadata;
        for (const auto& [key, value] : metadata_) metadata[key] = value;
        text += "\"__metadata__\":" + metadata.dump();
      }
      Index offset = 0;
      for (const std::size_t at : order) {
        const Entry& entry = entries_[at];
        const Index end = offset + entry.shape.size() * dtype_size(entry.dtype);
        std::string extents;
        for (const Index extent : entry.shape.extents())
          extents += (extents.empty() ? "" : ",") + std::to_string(extent);
        text += formatted("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", text == "{" ? "" : ",",
                          nlohmann::json(entry.name).dump(), dtype_name(entry.dtype), extents, offset, end);
        offset = end;
      }
    } catch (const nlohmann::json::exception& error) {
      fail("cloze.safetensors_write.2", "a tensor's name or metadata is not UTF-8: {}", error.what());
    }
    text += "}";
    text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begin aligned
    return text;
  }

  template <class T>
  static void write_as(OutputFile& file, const std::string& name, std::span<const T> values, Dtype dtype) {
    if (dtype == dtype_of<T>) return file.write(std::as_bytes(values));
    with_dtype(dtype, [&]<class To>(To) {
      if constexpr (!std::integral<T> && !std::integral<To>) {
        constexpr std::size_t block = 16384;
        std::vector<To> buffer(std::min(block, values.size()));
        for (std::size_t done = 0; done < values.size(); done += block) {
          const auto now = std::min(block, values.size() - done);
          convert(values.data() + done, buffer.data(), static_cast<Index>(now));
          for (std::size_t i = 0; i < now; ++i)
            require(std::isfinite(convert<float>(buffer[i])) || !std::isfinite(convert<double>(values[done + i])) ||
                        sizeof(To) > sizeof(T),
                    "cloze.safetensors_write.2", "tensor \"{}\": element {} is {}, too large for {}", name, done + i,
                    convert<double>(values[done + i]), dtype_name(dtype));
          file.write(std::as_bytes(std::span<const To>(buffer.data(), now)));
        }
      }
    });
  }

  std::map<std::string, std::string> metadata_;
  std::vector<Entry> entries_;
  std::set<std::string> names_;
};

}  // namespace cloze
