// WeightSource: the weights of a model folder, whether they lie in one safetensors file or in many.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <cloze/io/safetensors.hpp>

namespace cloze {

/// Named tensors of a Hugging Face folder: model.safetensors, or the shards that model.safetensors.index.json lists.
/// Also opens a single .safetensors file. Move only.
class WeightSource {
 public:
  /// Errors: [cloze.weights.1] the folder holds neither file, [cloze.weights.2] an index that is broken: no
  /// "weight_map", a shard's name that is not a plain file name, or a tensor that its shard does not hold;
  /// SafetensorsFile's.
  static WeightSource open(const std::filesystem::path& path) {
    WeightSource source;
    source.where_ = path.string();
    if (!std::filesystem::is_directory(path)) {
      source.add_file(path);
      return source;
    }
    const auto single = path / "model.safetensors", index = path / "model.safetensors.index.json";
    if (std::filesystem::exists(single)) {
      source.add_file(single);
    } else {
      require(std::filesystem::exists(index), "cloze.weights.1",
              "{}: wanted model.safetensors or model.safetensors.index.json, found neither", path.string());
      source.add_shards(path, index);
    }
    return source;
  }

  /// A single file that is already open.
  static WeightSource from(SafetensorsFile file) {
    WeightSource source;
    source.where_ = file.where();
    source.add(std::move(file));
    return source;
  }

  const std::string& where() const { return where_; }
  /// Every weight, by name; the scales of quantised tensors are part of those.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, file] : file_of_) names.push_back(name);
    return names;
  }
  bool contains(const std::string& name) const { return file_of_.contains(name); }
  /// Errors: [cloze.weights.3] no such tensor.
  const Shape& shape(const std::string& name) const { return file(name).info(name).shape; }
  /// How the tensor is stored: I8 where it is quantised. Errors: [cloze.weights.3] no such tensor.
  Dtype dtype(const std::string& name) const { return file(name).info(name).dtype; }

  /// Copies `count` elements. Errors: [cloze.weights.3] no such tensor; SafetensorsFile::read_into's.
  template <class T>
  void read_into(const std::string& name, T* to, Index count) const {
    file(name).read_into(name, std::span<T>(to, static_cast<std::size_t>(count)));
  }
  /// A new tensor of the stored shape. Errors: as read_into.
  template <Scalar T, Device D = Cpu>
  Tensor<T, D> read(const std::string& name) const {
    return file(name).template read<T, D>(name);
  }
  /// The file that holds a tensor. Errors: [cloze.weights.3] no such tensor.
  const SafetensorsFile& file(const std::string& name) const {
    const auto at = file_of_.find(name);
    require(at != file_of_.end(), "cloze.weights.3", "{}: no tensor \"{}\" among its {}", where_, name,
            file_of_.size());
    return files_[at->second];
  }

 private:
  WeightSource() = default;

  void add_file(const std::filesystem::path& path) { add(SafetensorsFile(path)); }

  void add(SafetensorsFile file) {
    for (const TensorInfo& info : file.tensors())
      if (!file.is_scale(info.name)) file_of_.try_emplace(info.name, files_.size());
    files_.push_back(std::move(file));
  }

  void add_shards(const std::filesystem::path& folder, const std::filesystem::path& index) {
    const auto json = read_json(index);
    const nlohmann::json* map = json_find(json, "weight_map");
    require(map != nullptr && map->is_object(), "cloze.weights.2", "{}: wanted an object \"weight_map\"",
            index.string());
    std::map<std::string, std::size_t> position_of;
    for (const auto& [name, shard] : json_members(*map, index.string())) {
      const std::string file = shard.is_string() ? *shard.get_ptr<const std::string*>() : std::string();
      // Only a file of this very folder: an index must not reach elsewhere.
      require(
          !file.empty() && file != "." && file != ".." && file.find_first_of(std::string_view("/\\\0", 3)) == file.npos,
          "cloze.weights.2", "{}: tensor \"{}\": wanted the name of a file in the same folder, found {}",
          index.string(), name, shard.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
      const auto [at, fresh] = position_of.try_emplace(file, files_.size());
      if (fresh) files_.emplace_back(folder / file);
      const SafetensorsFile& opened = files_[at->second];
      require(opened.contains(name), "cloze.weights.2", "{}: tensor \"{}\": its shard {} does not hold it",
              index.string(), name, file);
      if (!opened.is_scale(name)) file_of_[name] = at->second;
    }
  }

  std::string where_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, std::size_t> file_of_;
};

}  // namespace cloze
