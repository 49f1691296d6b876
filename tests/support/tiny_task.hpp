// A whole task in memory: a tiny random model with its WordPiece vocabulary, and sentences that one word decides.
#pragma once

#include <string>
#include <vector>

#include <cloze/data/example.hpp>

#include "support/tiny_model.hpp"

namespace cloze::test {

/// A folder with tiny_bert() and a vocabulary of tiny_vocab words, to be read by from_pretrained.
inline void write_tiny_task_model(const std::filesystem::path& folder) {
  TinyModel model = tiny_bert();
  model.config["hidden_dropout_prob"] = 0.1;
  model.write(folder);
  const std::vector<std::string> words{"[PAD]", "[UNK]",    "[CLS]", "[SEP]", "[MASK]", "it",   "was", ".",
                                       "great", "terrible", "sun",   "rain",  "warm",   "cold", "day", "night",
                                       "the",   "a",        "sea",   "hill",  "town",   "road", "in",  "on",
                                       "very",  "so",       "and",   "but",   "now"};
  std::string text;
  for (const auto& word : words) text += word + "\n";
  write_file_atomically(folder / "vocab.txt", text);
  write_file_atomically(folder / "tokenizer_config.json",
                        R"({"tokenizer_class": "BertTokenizer", "do_lower_case": true})");
}

/// `count` labelled sentences: those with "sun" are class 1, those with "rain" class 0.
inline std::vector<Example> tiny_examples(int count, int first = 0) {
  const std::vector<std::string> places{"town", "road", "sea", "hill", "night"}, ends{"warm", "cold", "now", "so"};
  std::vector<Example> examples;
  for (int i = first; i < first + count; ++i) {
    const auto n = static_cast<std::size_t>(i);
    examples.push_back({.text_a = "the " + places[n % 5] + " in " + (i % 2 ? "sun" : "rain") + " " + ends[n / 2 % 4] +
                                  (i % 3 ? " and very" : ""),
                        .label = static_cast<LabelId>(i % 2),
                        .source = "tiny:" + std::to_string(i)});
  }
  return examples;
}

}  // namespace cloze::test
