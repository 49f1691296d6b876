// An ensemble as one folder: a prompt folder for each member and ensemble.json; loads with one call.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/methods/ensemble.hpp>
#include <cloze/methods/prompt_folder.hpp>

namespace cloze {

namespace detail {

inline constexpr std::array<std::pair<EnsembleMean, const char*>, 3> saved_means{
    {{EnsembleMean::probabilities, "probabilities"},
     {EnsembleMean::values, "values"},
     {EnsembleMean::lmbff_compat, "lmbff_compat"}}};

inline constexpr Index ensemble_folder_version = 1;

}  // namespace detail

/// Writes every member as a prompt folder, in a folder of its own under `folder`, and then ensemble.json, which names
/// them: what was there before stays whole until that moment and is removed after it, so that a reader finds the old
/// ensemble or the new one. Errors: save_prompt_classifier's, [cloze.file.3].
template <class Model>
void save_ensemble(const Ensemble<PromptClassifier<Model, WordVerbalizer, NoDemos, Tokenizer>>& ensemble,
                   const std::filesystem::path& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  std::filesystem::path members;
  for (Index number = 1; members.empty() || std::filesystem::exists(folder / members); ++number)
    members = formatted("members-{}", number);
  nlohmann::json json;
  json["version"] = detail::ensemble_folder_version;
  json["mean"] = detail::saved_name(detail::saved_means, ensemble.mean());
  json["labels"] = ensemble.members().front().verbalizer().label_names();
  try {
    for (std::size_t m = 0; m < ensemble.members().size(); ++m) {
      const auto name = members / std::to_string(m);
      save_prompt_classifier(ensemble.members()[m], folder / name);
      nlohmann::json entry;
      entry["folder"] = name.generic_string();
      entry["weight"] = ensemble.weights()[m];
      json["members"].push_back(std::move(entry));
    }
    write_file_atomically(folder / "ensemble.json", json.dump(2) + "\n");
  } catch (...) {
    std::filesystem::remove_all(folder / members, code);
    throw;
  }
  std::vector<std::filesystem::path> old;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code))
    if (entry.path().filename().string().starts_with("members-") && entry.path().filename() != members)
      old.push_back(entry.path());
  for (const auto& path : old) std::filesystem::remove_all(path, code);
}

/// Reads what save_ensemble wrote. Errors: load_prompt_classifier's for a member that is damaged; [cloze.method.5] a
/// version or mean that is unknown; [cloze.ensemble.1] members with other labels than the ensemble's;
/// [cloze.ensemble.2] weights; [cloze.ensemble.3] a member whose folder is not below this one.
template <Scalar T = float, Device D = Cpu>
Ensemble<PromptClassifier<AutoModelForMaskedLM<T, D>>> load_ensemble(const std::filesystem::path& folder) {
  const auto path = folder / "ensemble.json";
  const std::string where = path.string();
  const auto json = read_json(path);
  const auto version = json_get<Index>(json, "version", where);
  require(version == detail::ensemble_folder_version, "cloze.method.5", "{}: wanted version {}, found {}", where,
          detail::ensemble_folder_version, version);
  const auto mean = detail::saved_value(detail::saved_means, json, "mean", where);
  const auto labels = json_get<std::vector<std::string>>(json, "labels", where);
  std::vector<PromptClassifier<AutoModelForMaskedLM<T, D>>> members;
  std::vector<double> weights;
  for (const auto& entry : json_get<std::vector<nlohmann::json>>(json, "members", where)) {
    const std::filesystem::path name = json_get<std::string>(entry, "folder", where);
    require(!name.empty() && name.is_relative() && std::ranges::find(name, "..") == name.end(), "cloze.ensemble.3",
            "{}: member {} is in \"{}\": wanted a folder below this one", where, members.size(), name.string());
    members.push_back(load_prompt_classifier<T, D>(folder / name));
    weights.push_back(json_get<double>(entry, "weight", where));
    require(members.back().verbalizer().label_names() == labels, "cloze.ensemble.1",
            "{}: member {} has other labels than the ensemble", where, name.string());
  }
  return Ensemble<PromptClassifier<AutoModelForMaskedLM<T, D>>>(std::move(members), std::move(weights), mean);
}

}  // namespace cloze
