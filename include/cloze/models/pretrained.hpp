// PretrainedFolder: a model folder's tensors, found under Hugging Face's names, old and new, and checked before any is
// read.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/io/weight_source.hpp>
#include <cloze/nn/module.hpp>

namespace cloze {

/// One folder being read: which of its tensors have been used.
class PretrainedFolder {
 public:
  /// `prefix` ("bert.") is taken off or put on where a file has the encoder's names without or with it.
  PretrainedFolder(const std::filesystem::path& folder, std::string prefix)
      : source_(WeightSource::open(folder)), prefix_(std::move(prefix)) {}

  /// From now on a tensor that is not there as `name` is looked for as `other`.
  void add_alias(const std::string& name, const std::string& other) { aliases_[name] = other; }

  /// The name under which the file holds `name`: as it is, without or with the prefix, or with LayerNorm.gamma and
  /// .beta as TensorFlow's checkpoints had them; nothing where it has none of these.
  std::optional<std::string> find(const std::string& name) const {
    std::vector<std::string> spellings{name};
    spellings.push_back(name.starts_with(prefix_) ? name.substr(prefix_.size()) : prefix_ + name);
    if (const auto alias = aliases_.find(name); alias != aliases_.end()) spellings.push_back(alias->second);
    for (std::size_t i = spellings.size(); i-- > 0;) {
      const std::string spelling = spellings[i];
      if (spelling.ends_with("LayerNorm.weight"))
        spellings.push_back(spelling.substr(0, spelling.size() - 6) + "gamma");
      if (spelling.ends_with("LayerNorm.bias")) spellings.push_back(spelling.substr(0, spelling.size() - 4) + "beta");
    }
    for (const auto& spelling : spellings)
      if (source_.contains(spelling)) return spelling;
    return std::nullopt;
  }

  /// Throws [cloze.pretrained.1] where the tensor is missing, [cloze.pretrained.2] where its shape is another.
  void check(const std::string& name, const Shape& shape) { locate(name, shape); }

  /// Fills every slot from the file. All names and shapes are checked before the first element is read.
  /// Throws [cloze.pretrained.1] where a tensor is missing, [cloze.pretrained.2] where its shape is another.
  template <Scalar T, Device D>
  void load(const std::vector<ParameterSlot<T, D>>& slots) {
    std::vector<std::pair<std::string, StateEntry<T, D>>> found;
    for (const auto& entry : state_entries(slots)) found.emplace_back(locate(entry.name, entry.shape()), entry);
    for (const auto& [stored, entry] : found) {
      auto slice = entry.slice();
      read(stored, slice);
    }
  }

  /// For a tensor that must equal another one where the file repeats it (a tied decoder): throws [cloze.pretrained.3]
  /// where it is there and differs.
  template <Scalar T, Device D>
  void check_repeated(const std::string& name, const Tensor<T, D>& original, const std::string& original_name) {
    const auto stored = find(name);
    if (!stored) return;
    const auto place = locate(name, original.shape());
    std::vector<T> copy(static_cast<std::size_t>(original.size()));
    source_.read_into(place, copy.data(), original.size());
    require(
        copy == original.to_vector(), "cloze.pretrained.3",
        "{}: tensor \"{}\" differs from \"{}\", though config.json ties them: set \"tie_word_embeddings\" to false if "
        "they are meant to differ",
        where(), *stored, original_name);
  }

  const std::string& where() const { return source_.where(); }
  /// Names in the file that nothing has read; position_ids, a constant that old versions stored, do not count.
  std::vector<std::string> unused() const {
    std::vector<std::string> names;
    for (const auto& name : source_.names())
      if (!used_.contains(name) && !name.ends_with("embeddings.position_ids")) names.push_back(name);
    return names;
  }

 private:
  std::string locate(const std::string& name, const Shape& shape) {
    const auto stored = find(name);
    if (!stored) {
      fail("cloze.pretrained.1", "{}: tensor \"{}\" of shape {} is missing{}", where(), name, shape, similar(name));
    }
    require(source_.shape(*stored) == shape, "cloze.pretrained.2",
            "{}: tensor \"{}\": wanted shape {} (by config.json), found {}", where(), *stored, shape,
            source_.shape(*stored));
    used_.insert(*stored);
    return *stored;
  }

  template <Scalar T, Device D>
  void read(const std::string& stored, Tensor<T, D>& into) {
    if constexpr (HostDevice<D>) {
      source_.read_into(stored, into.data(), into.size());
    } else {
      std::vector<T> values(static_cast<std::size_t>(into.size()));
      source_.read_into(stored, values.data(), into.size());
      copy_elements<Cpu, D>(values.data(), into.data(), into.size());
    }
  }

  /// For a message: what the file does hold at the place where `name` was looked for.
  std::string similar(const std::string& name) const {
    const std::string head = name.substr(0, name.find('.') + 1);
    std::string examples;
    Index count = 0;
    for (const auto& stored : source_.names()) {
      if (!stored.starts_with(head)) continue;
      if (count++ < 3) examples += (examples.empty() ? "" : ", ") + stored;
    }
    if (count == 0)
      return formatted("; the file holds {} tensors and none begins with \"{}\"", source_.names().size(), head);
    return formatted("; the file holds {} tensors that begin with \"{}\": {}{}", count, head, examples,
                     count > 3 ? ", …" : "");
  }

  WeightSource source_;
  std::string prefix_;
  std::map<std::string, std::string> aliases_;
  std::set<std::string> used_;
};

}  // namespace cloze
