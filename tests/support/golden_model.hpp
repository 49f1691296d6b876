// A small random model and what Hugging Face answers for it, from shared/data/golden/models.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <cloze/batch/packed_batch.hpp>
#include <cloze/io/safetensors.hpp>

namespace cloze::test {

/// golden.safetensors of one folder. Its outputs are padded; ours are packed, so only the real rows are kept.
struct GoldenModel {
  std::filesystem::path folder;
  SafetensorsFile file;
  PackedBatch batch;           // masks where labels are scored
  std::vector<Index> labels;   // [masks], or [sequences] of a classification model
  std::vector<Index> lengths;  // [sequences]
  Index padded_length = 0;

  explicit GoldenModel(const std::filesystem::path& at) : folder(at), file(at / "golden.safetensors") {
    const auto ids = file.read_values<std::int64_t>("input_ids");
    const auto attended = file.read_values<std::int64_t>("attention_mask");
    const auto wanted = file.read_values<std::int64_t>("labels");
    const bool segments = file.contains("token_type_ids");
    const auto types =
        segments ? file.read_values<std::int64_t>("token_type_ids") : std::vector<std::int64_t>(ids.size());
    const Index sequences = file.info("input_ids").shape[0];
    padded_length = file.info("input_ids").shape[1];
    const bool per_token = wanted.size() == ids.size();
    for (Index s = 0; s < sequences; ++s) {
      Prompt prompt;
      for (Index i = 0; i < padded_length; ++i) {
        const auto at_i = static_cast<std::size_t>(s * padded_length + i);
        if (attended[at_i] == 0) break;
        prompt.ids.push_back(static_cast<TokenId>(ids[at_i]));
        if (segments) prompt.segments.push_back(static_cast<std::int32_t>(types[at_i]));
        if (per_token && wanted[at_i] != -100) {
          prompt.masks.push_back(i);
          labels.push_back(wanted[at_i]);
        }
      }
      lengths.push_back(static_cast<Index>(prompt.ids.size()));
      batch.append(prompt);
    }
    if (!per_token) {
      labels.assign(wanted.begin(), wanted.end());
    } else {
      for (const Index label : labels) batch.targets.push_back(static_cast<TokenId>(label));
    }
  }

  std::vector<double> values(const std::string& name) const { return file.read_values<double>(name); }

  /// [sequences, padded length, columns] without the padding: [tokens, columns].
  std::vector<double> packed(const std::string& name) const {
    const auto padded = values(name);
    const Index columns = file.info(name).shape[2];
    std::vector<double> rows;
    for (std::size_t s = 0; s < lengths.size(); ++s) {
      const auto begin = padded.begin() + static_cast<Index>(s) * padded_length * columns;
      rows.insert(rows.end(), begin, begin + lengths[s] * columns);
    }
    return rows;
  }
};

/// The largest absolute value.
template <class T>
double largest(const std::vector<T>& values) {
  double most = 0;
  for (const T value : values) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

/// The largest difference, in units of `scale`; infinite where sizes differ or a NaN is there.
template <class T>
double distance(const std::vector<T>& found, const std::vector<double>& wanted, double scale) {
  if (found.size() != wanted.size()) return HUGE_VAL;
  double worst = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double error = std::abs(static_cast<double>(found[i]) - wanted[i]);
    if (!(error <= worst)) worst = error;
  }
  return std::isnan(worst) ? HUGE_VAL : worst / scale;
}

}  // namespace cloze::test
