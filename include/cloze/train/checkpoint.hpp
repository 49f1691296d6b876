// Checkpoint: everything a training run depends on in one file, so that a resumed run goes on to the same bits.
#pragma once

#include <cmath>
#include <concepts>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/rng.hpp>
#include <cloze/nn/parameter.hpp>
#include <cloze/train/checkpoint_parts.hpp>

namespace cloze {

/// A class that can be part of a checkpoint. load() checks everything and changes nothing; the function that it returns
/// takes the new state over and cannot fail.
template <class P>
concept Checkpointable = requires(const P& kept, P& part, CheckpointSink& sink, const CheckpointSource& source) {
  kept.save(sink);
  { part.load(source) } -> std::convertible_to<std::function<void()>>;
};

/// What a checkpoint keeps by itself.
template <class V>
concept CheckpointValue = std::same_as<V, Rng> || std::same_as<V, Index> || std::same_as<V, double>;

/// Names the live objects of a run once; then save() and load() as often as wanted:
///   Checkpoint run;
///   run.add("model", model.parameters());
///   run.add("optimizer", optimizer);
///   run.add("rng", rng);
///   run.add("sampler", sampler);
///   run.add("step", step);
///   if (exists(path)) run.load(path);
/// The objects must outlive it. One safetensors file, written beside and renamed, so a killed save leaves the old one.
class Checkpoint {
 public:
  static constexpr Index version = 1;

  /// Weights: the list is of handles, so a temporary will do.
  template <Scalar T, Device D>
  void add(const std::string& name, ParameterList<T, D> parameters) {
    add_part(
        name,
        [parameters](CheckpointSink& sink) {
          for (const auto& parameter : parameters) sink.tensor(parameter.name, parameter.tensor);
        },
        [parameters](const CheckpointSource& source) -> std::function<void()> {
          std::vector<std::pair<Tensor<T, D>, Tensor<T, D>>> read;
          for (const auto& parameter : parameters)
            read.emplace_back(parameter.tensor, source.template tensor<T, D>(parameter.name, parameter.tensor.shape()));
          return [read = std::move(read)]() mutable {
            for (auto& [to, from] : read) copy_elements<D, D>(std::as_const(from).data(), to.data(), to.size());
          };
        });
  }
  /// An optimizer, a sampler, or any class of one's own that is Checkpointable.
  template <Checkpointable P>
  void add(const std::string& name, P& part) {
    add_part(
        name, [&part](CheckpointSink& sink) { std::as_const(part).save(sink); },
        [&part](const CheckpointSource& source) { return part.load(source); });
  }
  /// Random numbers, or a number.
  template <CheckpointValue V>
  void add(const std::string& name, V& value) {
    add_part(
        name, [&value](CheckpointSink& sink) { put(sink, value); },
        [&value](const CheckpointSource& source) { return [&value, read = take<V>(source)] { value = read; }; });
  }

  /// Free-form notes: settings, a task's name, a commit. Saved, and replaced by load().
  std::map<std::string, std::string>& notes() { return notes_; }

  /// Errors: those of SafetensorsWriter::write; the old file stays where one is thrown.
  void save(const std::filesystem::path& path) const {
    SafetensorsWriter writer;
    nlohmann::json parts = json_object();
    for (const auto& part : parts_) {
      nlohmann::json numbers = json_object();
      CheckpointSink sink(writer, numbers, part.name);
      part.save(sink);
      parts[part.name] = std::move(numbers);
    }
    nlohmann::json state;
    state["version"] = version;
    state["parts"] = std::move(parts);
    state["notes"] = json_object();
    for (const auto& [key, note] : notes_) state["notes"][key] = note;
    writer.set_metadata("format", "cloze-checkpoint");
    try {
      writer.set_metadata("state", state.dump());
    } catch (const nlohmann::json::exception& error) {
      fail("cloze.checkpoint.5", "{}: a name or note is not UTF-8: {}", path.string(), error.what());
    }
    writer.write(path);
  }

  /// Restores every part, or throws and changes nothing. Errors: SafetensorsFile's; [cloze.checkpoint.1] no checkpoint
  /// of this library, [cloze.checkpoint.2] of another version, [cloze.checkpoint.3] parts of other names,
  /// [cloze.checkpoint.4] a part that does not fit: the first difference is named.
  void load(const std::filesystem::path& path) {
    const SafetensorsFile file(path);
    const auto format = file.metadata().find("format"), stored = file.metadata().find("state");
    require(format != file.metadata().end() && format->second == "cloze-checkpoint" && stored != file.metadata().end(),
            "cloze.checkpoint.1", "{}: wanted a training checkpoint, found metadata format \"{}\"", path.string(),
            format == file.metadata().end() ? "" : format->second);
    const std::string where = path.string() + ", state";
    const auto state = parse_json(stored->second, where);
    const auto found = json_get<Index>(state, "version", where);
    require(found == version, "cloze.checkpoint.2", "{}: wanted format version {}, found {}", path.string(), version,
            found);
    const auto parts = json_get<nlohmann::json>(state, "parts", where);
    const auto stored_notes = json_get<nlohmann::json>(state, "notes", where);
    std::map<std::string, std::string> notes;
    for (const auto& [key, note] : json_members(stored_notes, where))
      notes[key] = json_get<std::string>(stored_notes, key, where);
    require(parts.is_object(), "cloze.checkpoint.1", "{}: wanted an object \"parts\"", path.string());
    for (const auto& part : parts_)
      require(parts.contains(part.name) && parts[part.name].is_object(), "cloze.checkpoint.3",
              "{}: wanted a part \"{}\", found none", path.string(), part.name);
    for (const auto& [name, numbers] : json_members(parts, where)) require_known(path, name);
    for (const auto& info : file.tensors()) require_known(path, info.name.substr(0, info.name.find('/')));
    std::vector<std::function<void()>> commits;
    for (const auto& part : parts_) {
      const CheckpointSource source(file, parts[part.name], part.name);
      commits.push_back(part.load(source));
      source.require_all_used();
    }
    for (const auto& commit : commits) commit();
    notes_ = std::move(notes);
  }

 private:
  struct Part {
    std::string name;
    std::function<void(CheckpointSink&)> save;
    std::function<std::function<void()>(const CheckpointSource&)> load;
  };

  template <class V>
  static void put(CheckpointSink& sink, const V& value) {
    if constexpr (std::same_as<V, Rng>) {
      sink.unsigned_number("seed", value.state().seed);
      sink.unsigned_number("stream", value.state().stream);
      sink.unsigned_number("position", value.state().position);
    } else if constexpr (std::same_as<V, Index>) {
      sink.number("value", value);
    } else {
      sink.real("value", value);
    }
  }
  template <class V>
  static V take(const CheckpointSource& source) {
    if constexpr (std::same_as<V, Rng>) {
      return Rng(RngState{source.unsigned_number("seed"), source.unsigned_number("stream"),
                          source.unsigned_number("position")});
    } else if constexpr (std::same_as<V, Index>) {
      return source.number("value");
    } else {
      return source.real("value");
    }
  }

  void add_part(const std::string& name, std::function<void(CheckpointSink&)> save,
                std::function<std::function<void()>(const CheckpointSource&)> load) {
    require(!name.empty() && name.find('/') == name.npos, "cloze.checkpoint.3",
            "\"{}\" cannot name a part: wanted a name without '/'", name);
    for (const auto& part : parts_)
      require(part.name != name, "cloze.checkpoint.3", "the checkpoint has a part \"{}\" already", name);
    parts_.push_back({name, std::move(save), std::move(load)});
  }

  void require_known(const std::filesystem::path& path, const std::string& name) const {
    for (const auto& part : parts_)
      if (part.name == name) return;
    fail("cloze.checkpoint.3", "{}: found a part \"{}\" that nothing here wants", path.string(), name);
  }

  std::vector<Part> parts_;
  std::map<std::string, std::string> notes_;
};

}  // namespace cloze
