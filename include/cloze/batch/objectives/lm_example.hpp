// What a language-model objective makes of a token sequence: the input, the rows that predict, and what they should
// say.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include <cloze/batch/packed_batch.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

/// One sequence of an encoder or decoder with its targets.
struct LmExample {
  Prompt prompt = {};                 // prompt.masks: the rows that predict, ascending
  std::vector<TokenId> targets = {};  // [masks]
  std::optional<LabelId> label = {};  // next sentence, sentence order
  Index prefix = 0;                   // tokens at the start that all see each other (prefix LM); 0: none
};

/// One pair of an encoder-decoder: what it reads and what it shall write.
struct Seq2SeqExample {
  std::vector<TokenId> inputs = {};   // [inputs]
  std::vector<TokenId> targets = {};  // [targets]
};

/// Both sides of several pairs; sequence s of one belongs to sequence s of the other.
struct Seq2SeqBatch {
  PackedBatch encoder;
  PackedBatch decoder;  // ids are the targets shifted right; every row predicts
};

/// Concatenates examples into one batch, in order. Errors: [cloze.objective.1] targets that do not fit the rows, labels
/// on some examples only; [cloze.batch.1] rows out of order or outside.
inline PackedBatch pack(std::span<const LmExample> examples) {
  PackedBatch batch;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const LmExample& example = examples[i];
    require(example.targets.size() == example.prompt.masks.size(), "cloze.objective.1",
            "example {}: {} rows predict, but there are {} targets", i, example.prompt.masks.size(),
            example.targets.size());
    require(example.label.has_value() == examples[0].label.has_value(), "cloze.objective.1",
            "example {} {} a label, example 0 {}", i, example.label ? "has" : "lacks",
            examples[0].label ? "has one" : "has none");
    batch.append(example.prompt);
    batch.targets.insert(batch.targets.end(), example.targets.begin(), example.targets.end());
    if (example.label) batch.labels.push_back(*example.label);
  }
  return batch;
}

/// Concatenates pairs; each decoder sequence is `decoder_start` and its targets but for the last. Errors:
/// [cloze.objective.2] a pair without inputs or without targets.
inline Seq2SeqBatch pack(std::span<const Seq2SeqExample> examples, TokenId decoder_start) {
  Seq2SeqBatch batch;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto& [inputs, targets] = examples[i];
    require(!inputs.empty() && !targets.empty(), "cloze.objective.2", "pair {} has {} input and {} target tokens", i,
            inputs.size(), targets.size());
    batch.encoder.append({.ids = inputs});
    Prompt decoder{.ids = {decoder_start}};
    decoder.ids.insert(decoder.ids.end(), targets.begin(), targets.end() - 1);
    for (std::size_t row = 0; row < targets.size(); ++row) decoder.masks.push_back(static_cast<Index>(row));
    batch.decoder.append(decoder);
    batch.decoder.targets.insert(batch.decoder.targets.end(), targets.begin(), targets.end());
  }
  return batch;
}

}  // namespace cloze
