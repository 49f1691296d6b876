// What a part of a checkpoint sees when it is saved and loaded: named tensors and numbers under its own name.
#pragma once

#include <bit>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <cloze/core/json.hpp>
#include <cloze/io/safetensors.hpp>
#include <cloze/io/safetensors_writer.hpp>

namespace cloze {

/// Takes what a part hands out to be saved. Keys are the part's own.
class CheckpointSink {
 public:
  CheckpointSink(SafetensorsWriter& writer, nlohmann::json& numbers, std::string part)
      : writer_(writer), numbers_(numbers), part_(std::move(part)) {}

  /// A tensor, in its own scalar: read when the file is written.
  template <Scalar T, Device D>
  void tensor(const std::string& key, const Tensor<T, D>& tensor) {
    writer_.add(part_ + "/" + key, tensor);
  }
  /// Many integers; they must live until the file is written.
  void integers(const std::string& key, std::span<const Index> values) {
    writer_.add<Index>(part_ + "/" + key, Shape{static_cast<Index>(values.size())}, values);
  }
  void number(const std::string& key, Index value) { numbers_[key] = value; }
  void unsigned_number(const std::string& key, std::uint64_t value) { numbers_[key] = value; }
  /// Any double to the last bit, infinities and NaN too.
  void real(const std::string& key, double value) { numbers_[key] = std::bit_cast<std::uint64_t>(value); }
  void text(const std::string& key, const std::string& value) { numbers_[key] = value; }

 private:
  SafetensorsWriter& writer_;
  nlohmann::json& numbers_;
  std::string part_;
};

/// Hands a part what it saved, each thing checked. Errors, in every function: [cloze.checkpoint.4] naming the file, the
/// part, the key, what was wanted and what was found.
class CheckpointSource {
 public:
  CheckpointSource(const SafetensorsFile& file, const nlohmann::json& numbers, std::string part)
      : file_(file), numbers_(numbers), part_(std::move(part)) {}

  /// A tensor that must have this shape and be stored as T: the same bits come back.
  template <Scalar T, Device D>
  Tensor<T, D> tensor(const std::string& key, const Shape& shape) const {
    const TensorInfo& info = find(key, dtype_of<T>);
    require_that(info.shape == shape, key, "wanted shape " + shape.text(), info.shape.text());
    return file_.read<T, D>(info.name);
  }
  std::vector<Index> integers(const std::string& key) const {
    return file_.read_values<Index>(find(key, Dtype::i64).name);
  }
  Index number(const std::string& key) const { return get<Index>(key); }
  std::uint64_t unsigned_number(const std::string& key) const { return get<std::uint64_t>(key); }
  double real(const std::string& key) const { return std::bit_cast<double>(get<std::uint64_t>(key)); }
  std::string text(const std::string& key) const { return get<std::string>(key); }

  /// For a part's own checks: fails unless `ok`.
  void require_that(bool ok, const std::string& key, const std::string& wanted, const std::string& found) const {
    require(ok, "cloze.checkpoint.4", "{}: part \"{}\", \"{}\": {}, found {}", file_.where(), part_, key, wanted,
            found);
  }

  /// Fails on the first thing in the file that belongs to this part and was not asked for: it must be another model's.
  void require_all_used() const {
    for (const TensorInfo& info : file_.tensors())
      if (info.name.starts_with(part_ + "/"))
        require_that(used_.contains(info.name), info.name.substr(part_.size() + 1), "wanted nothing of that name",
                     "a tensor of shape " + info.shape.text());
    for (const auto& [key, value] : json_members(numbers_, part_))
      require_that(used_.contains(" " + key), key, "wanted nothing of that name", value.dump());
  }

 private:
  const TensorInfo& find(const std::string& key, Dtype dtype) const {
    const std::string name = part_ + "/" + key;
    require_that(file_.contains(name), key, "wanted a tensor", "none");
    const TensorInfo& info = file_.info(name);
    require_that(info.dtype == dtype, key, "wanted dtype " + std::string(dtype_name(dtype)),
                 std::string(dtype_name(info.dtype)));
    used_.insert(name);
    return info;
  }

  template <class T>
  T get(const std::string& key) const {
    const nlohmann::json* at = json_find(numbers_, key);
    require_that(at != nullptr, key, "wanted a value", "none");
    used_.insert(" " + key);
    try {
      return json_get<T>(numbers_, key, part_);
    } catch (const Error&) {
      require_that(false, key, "wanted a value of another type", at->dump());
      throw;
    }
  }

  const SafetensorsFile& file_;
  const nlohmann::json& numbers_;
  std::string part_;
  mutable std::set<std::string> used_;
};

}  // namespace cloze
