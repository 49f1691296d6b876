// Masked-LM batches from a text file, as a JSON file that every side of a comparison reads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <cloze/batch/objectives/masked_lm.hpp>
#include <cloze/core/json.hpp>
#include <cloze/methods/pretraining_data.hpp>
#include <cloze/text/tokenizer.hpp>

namespace cloze::bench {

struct TextInputs {
  std::string tokenizer, text;  // a Hugging Face folder; a text file
  Index sequence = 128, batch_tokens = 4096, batches = 4;
};

/// BERT's masking (15 %, 80/10/10) of packed sequences, written to `path`:
/// {"batches": [{"ids": [[id]], "masks": [[position]], "targets": [id]}]}
inline void write_text_inputs(const TextInputs& options, const std::filesystem::path& path) {
  const auto tokenizer = Tokenizer::from_pretrained(options.tokenizer);
  const auto tokens = PretrainingTokens::of(tokenizer, tokenizer.vocab_size());
  const MaskedLm masking({.mask = tokens.mask, .vocab_size = tokenizer.vocab_size(), .special = tokens.special});
  const HeldOut text = read_held_out({.name = "text", .held_out_files = {options.text}}, tokenizer, tokens, masking,
                                     options.batches * options.batch_tokens, {.sequence = options.sequence},
                                     Rng(0, "benchmark"), options.batch_tokens);
  nlohmann::json json = nlohmann::json::object(), batches = nlohmann::json::array();
  for (const PackedBatch& batch : text.batches) {
    nlohmann::json rows = nlohmann::json::object();
    std::size_t mask = 0;
    for (Index s = 0; s < batch.sequences(); ++s) {
      const Index begin = batch.cu_seqlens[static_cast<std::size_t>(s)], end = begin + batch.length(s);
      nlohmann::json ids = nlohmann::json::array(), masks = nlohmann::json::array();
      for (Index i = begin; i < end; ++i) ids.push_back(value(batch.ids[static_cast<std::size_t>(i)]));
      for (; mask < batch.mask_rows.size() && batch.mask_rows[mask] < end; ++mask)
        masks.push_back(batch.mask_rows[mask] - begin);
      rows["ids"].push_back(ids);
      rows["masks"].push_back(masks);
    }
    for (const TokenId target : batch.targets) rows["targets"].push_back(value(target));
    batches.push_back(rows);
  }
  json["batches"] = batches;
  write_file_atomically(path, json.dump() + "\n");
}

inline std::vector<PackedBatch> read_text_inputs(const std::filesystem::path& path) {
  const auto json = read_json(path);
  const std::string where = path.string();
  std::vector<PackedBatch> batches;
  for (const auto& rows : json_get<nlohmann::json>(json, "batches", where)) {
    const auto ids = json_get<std::vector<std::vector<int>>>(rows, "ids", where);
    const auto masks = json_get<std::vector<std::vector<Index>>>(rows, "masks", where);
    require(ids.size() == masks.size(), "cloze.bench.2", "{}: a batch of {} sequences and {} lists of masks", where,
            ids.size(), masks.size());
    PackedBatch& batch = batches.emplace_back();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      Prompt prompt{.masks = masks[i]};
      for (const int id : ids[i]) prompt.ids.push_back(TokenId{id});
      batch.append(prompt);
    }
    for (const int id : json_get<std::vector<int>>(rows, "targets", where)) batch.targets.push_back(TokenId{id});
    require(batch.targets.size() == batch.mask_rows.size(), "cloze.bench.2", "{}: {} targets for {} masks", where,
            batch.targets.size(), batch.mask_rows.size());
  }
  require(!batches.empty(), "cloze.bench.2", "{}: no batches", where);
  return batches;
}

}  // namespace cloze::bench
