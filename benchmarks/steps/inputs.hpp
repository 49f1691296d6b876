// The batches that are measured, as a JSON file that every side of a comparison reads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <cloze/core/json.hpp>
#include <cloze/data/kshot.hpp>
#include <cloze/data/tasks.hpp>
#include <cloze/prompt/collate.hpp>
#include <cloze/prompt/word_verbalizer.hpp>
#include <cloze/text/tokenizer.hpp>

namespace cloze::bench {

struct Inputs {
  std::vector<TokenId> words;  // the label words
  std::vector<PackedBatch> batches;
};

/// {"words": [id], "batches": [{"ids": [[id]], "masks": [position], "labels": [label]}]}
inline Inputs read_inputs(const std::filesystem::path& path) {
  const auto json = read_json(path);
  const std::string where = path.string();
  Inputs inputs;
  for (const int word : json_get<std::vector<int>>(json, "words", where)) inputs.words.push_back(TokenId{word});
  for (const auto& rows : json_get<nlohmann::json>(json, "batches", where)) {
    const auto ids = json_get<std::vector<std::vector<int>>>(rows, "ids", where);
    const auto masks = json_get<std::vector<Index>>(rows, "masks", where);
    const auto labels = json_get<std::vector<int>>(rows, "labels", where);
    require(!ids.empty() && masks.size() == ids.size() && labels.size() == ids.size(), "cloze.bench.2",
            "{}: a batch of {} sequences, {} masks and {} labels", where, ids.size(), masks.size(), labels.size());
    PackedBatch& batch = inputs.batches.emplace_back();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      Prompt prompt{.masks = {masks[i]}};
      for (const int id : ids[i]) prompt.ids.push_back(TokenId{id});
      batch.append(prompt);
      batch.labels.push_back(LabelId{labels[i]});
    }
  }
  require(!inputs.batches.empty(), "cloze.bench.2", "{}: no batches", where);
  return inputs;
}

struct RenderInputs {
  std::string tokenizer, data;  // a Hugging Face folder; a k-shot folder of SST-2's form (train.tsv, test.tsv)
  std::string split = "train";  // or "test"
  bool demonstrations = false;  // one example of each class before the query
  Index batch = 8;
  Index count = 32;  // examples, spread evenly over the shuffled split
};

/// LM-BFF's SST-2 prompts (`text It was [MASK].`) of a split as batches, written to `path`.
inline void write_inputs(const RenderInputs& options, const std::filesystem::path& path) {
  const Task task = tasks::sst2();
  const auto tokenizer = Tokenizer::from_pretrained(options.tokenizer);
  const KShot data = read_kshot(options.data, task);
  const Template prompt = Template::of(task);
  const WordVerbalizer words(tokenizer, task);
  auto examples = options.split == "train" ? data.train : data.test;
  Rng rng(0, "benchmark");
  rng.shuffle(examples);
  if (static_cast<Index>(examples.size()) > options.count) examples.resize(static_cast<std::size_t>(options.count));

  nlohmann::json json = nlohmann::json::object(), batches = nlohmann::json::array(), ids = nlohmann::json::array();
  for (const TokenId word : words.words()) ids.push_back(value(word));
  json["words"] = ids;
  const RenderOptions render{.max_length = options.demonstrations ? Index{256} : Index{128}};
  const RandomDemos demos(data.train);
  for (const auto& chosen : sequential_batches(static_cast<Index>(examples.size()), options.batch)) {
    const auto some = pick(examples, chosen);
    const PackedBatch batch = options.demonstrations ? collate(some, prompt, demos, words, tokenizer, rng, render)
                                                     : collate(some, prompt, NoDemos{}, words, tokenizer, rng, render);
    nlohmann::json rows = nlohmann::json::object();
    for (Index s = 0; s < batch.sequences(); ++s) {
      const auto at = static_cast<std::size_t>(s);
      nlohmann::json row = nlohmann::json::array();
      for (Index i = batch.cu_seqlens[at]; i < batch.cu_seqlens[at + 1]; ++i)
        row.push_back(value(batch.ids[static_cast<std::size_t>(i)]));
      rows["ids"].push_back(row);
      rows["masks"].push_back(batch.mask_rows[at] - batch.cu_seqlens[at]);
      rows["labels"].push_back(value(batch.labels[at]));
    }
    batches.push_back(rows);
  }
  json["batches"] = batches;
  write_file_atomically(path, json.dump() + "\n");
}

}  // namespace cloze::bench
