// Trains a WordPiece vocabulary as Hugging Face's trainer does (by pair frequency) and writes the files of a tokenizer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/json.hpp>
#include <cloze/text/learn_merges.hpp>
#include <cloze/text/tokenizer_files.hpp>
#include <cloze/text/word_counts.hpp>

namespace cloze {

struct WordPieceTrainerOptions {
  Index vocab_size = 30522;
  std::uint64_t min_frequency = 2;  // of a pair, to become a token
  Index limit_alphabet = 1000;      // characters, the most frequent ones; others become [UNK]
  bool lowercase = true;            // and strip accents, as BERT's uncased models
  std::vector<std::string> special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};  // the first ids, in this order
};

/// A trained vocabulary and what tokenizes with it.
struct WordPieceVocabulary {
  std::vector<std::string> tokens = {};  // by id
  std::size_t special = 0;               // how many of the first are special
  bool lowercase = true;

  /// The content of a tokenizer.json that Hugging Face tokenizers reads.
  nlohmann::json tokenizer_json() const {
    using nlohmann::json;
    json file = detail::tokenizer_json_frame(tokens, special);
    file["normalizer"] = {{"type", "BertNormalizer"},
                          {"clean_text", true},
                          {"handle_chinese_chars", true},
                          {"strip_accents", nullptr},
                          {"lowercase", lowercase}};
    file["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
    file["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
    file["post_processor"] = detail::template_processor(tokens, special, "[CLS]", "[SEP]");
    file["model"] = {{"type", "WordPiece"},
                     {"unk_token", "[UNK]"},
                     {"continuing_subword_prefix", "##"},
                     {"max_input_chars_per_word", 100},
                     {"vocab", detail::vocabulary_json(tokens)}};
    return file;
  }

  /// Writes tokenizer.json, tokenizer_config.json and vocab.txt. The folder must exist. Errors: [cloze.file.3].
  void save_pretrained(const std::filesystem::path& folder) const {
    std::string lines;
    for (const std::string& token : tokens) lines += token + "\n";
    write_file_atomically(folder / "vocab.txt", lines);
    write_file_atomically(folder / "tokenizer.json", tokenizer_json().dump(1));
    nlohmann::json config = detail::tokenizer_config(tokens, special,
                                                     {{"cls_token", "[CLS]"},
                                                      {"mask_token", "[MASK]"},
                                                      {"pad_token", "[PAD]"},
                                                      {"sep_token", "[SEP]"},
                                                      {"unk_token", "[UNK]"}});
    config["do_lower_case"] = lowercase;
    write_file_atomically(folder / "tokenizer_config.json", config.dump(1));
  }
};

/// Give it the corpus, part by part, then train.
class WordPieceTrainer {
 public:
  /// Errors: [cloze.train_vocabulary.1] special tokens without [UNK], an empty one or one given twice.
  explicit WordPieceTrainer(WordPieceTrainerOptions options = {})
      : options_(std::move(options)), words_(make_counter(options_.lowercase)) {
    detail::GrowingVocabulary vocabulary;
    detail::add_special_tokens(vocabulary, options_.special, "[UNK]");
  }

  /// Errors: [cloze.text.1] broken UTF-8.
  void add(std::span<const std::string> texts) { words_.add(texts); }

  /// At most `vocab_size` tokens: fewer where the corpus has not so many frequent pairs. The same words give the same
  /// vocabulary. Errors: [cloze.train_vocabulary.2] no words, or a size below special tokens and characters.
  WordPieceVocabulary train() const {
    const std::vector<WordCount> words = words_.sorted();
    detail::GrowingVocabulary vocabulary;
    detail::add_special_tokens(vocabulary, options_.special, "[UNK]");
    std::vector<std::u32string> spelled;
    for (const WordCount& word : words) spelled.push_back(detail::text::to_points(word.word));
    for (const char32_t point : alphabet(words, spelled)) vocabulary.add(detail::text::to_utf8({&point, 1}));

    std::map<char32_t, std::int32_t> continuing;  // sorted, so that ids do not depend on the order of the words
    for (const auto& word : spelled)
      for (std::size_t i = 1; i < word.size(); ++i)
        if (vocabulary.find(detail::text::to_utf8({&word[i], 1})) >= 0) continuing[word[i]] = 0;
    for (auto& [point, id] : continuing) id = vocabulary.add("##" + detail::text::to_utf8({&point, 1}));
    detail::check_training(words.size(), vocabulary.size(), options_.vocab_size);

    detail::TokenizedWords tokenized;
    for (std::size_t w = 0; w < words.size(); ++w) {
      std::vector<std::int32_t> tokens;
      for (std::size_t i = 0; i < spelled[w].size(); ++i) {
        const char32_t point = spelled[w][i];
        const auto inside = continuing.find(point);
        const std::int32_t id = i == 0                       ? vocabulary.find(detail::text::to_utf8({&point, 1}))
                                : inside == continuing.end() ? -1
                                                             : inside->second;
        if (id >= 0)
          tokens.push_back(id);  // characters beyond the alphabet are passed over, as in Hugging Face's trainer
      }
      tokenized.words.push_back(std::move(tokens));
      tokenized.counts.push_back(words[w].count);
    }
    detail::MergeLearner learn(std::move(tokenized), vocabulary, "##");
    learn(static_cast<std::size_t>(options_.vocab_size), options_.min_frequency);
    return {vocabulary.tokens(), options_.special.size(), options_.lowercase};
  }

 private:
  static WordCounter make_counter(bool lowercase) {
    detail::text::Normalizer normalizer;
    detail::text::BertNormalizer bert;
    bert.strip_accents = lowercase;
    bert.lowercase = lowercase;
    normalizer.add(bert);
    detail::text::PreTokenizer pre_tokenizer;
    pre_tokenizer.add(detail::text::BertPreTokenizer{});
    return WordCounter(std::move(normalizer), std::move(pre_tokenizer));
  }

  /// The most frequent characters, by code point.
  std::vector<char32_t> alphabet(const std::vector<WordCount>& words,
                                 const std::vector<std::u32string>& spelled) const {
    std::map<char32_t, std::uint64_t> counts;
    for (std::size_t w = 0; w < words.size(); ++w)
      for (const char32_t point : spelled[w]) counts[point] += words[w].count;
    std::vector<std::pair<char32_t, std::uint64_t>> ranked(counts.begin(), counts.end());
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    if (static_cast<Index>(ranked.size()) > options_.limit_alphabet)
      ranked.resize(static_cast<std::size_t>(std::max<Index>(0, options_.limit_alphabet)));
    std::vector<char32_t> points;
    for (const auto& [point, count] : ranked) points.push_back(point);
    std::sort(points.begin(), points.end());
    return points;
  }

  WordPieceTrainerOptions options_;
  WordCounter words_;
};

}  // namespace cloze
