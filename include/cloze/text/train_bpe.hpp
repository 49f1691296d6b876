// Trains a byte-level BPE vocabulary (GPT-2, RoBERTa) as Hugging Face's trainer does and writes the files of a
// tokenizer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/json.hpp>
#include <cloze/text/bpe.hpp>
#include <cloze/text/learn_merges.hpp>
#include <cloze/text/tokenizer_files.hpp>
#include <cloze/text/word_counts.hpp>

namespace cloze {

struct BpeTrainerOptions {
  Index vocab_size = 50265;
  std::uint64_t min_frequency = 2;  // of a pair, to become a token
  bool add_prefix_space = false;    // the first word of a text is as one inside it
  std::vector<std::string> special = {"<s>", "<pad>", "</s>", "<unk>", "<mask>"};  // the first ids, in this order
};

/// A trained vocabulary and what tokenizes with it.
struct BpeVocabulary {
  std::vector<std::string> tokens = {};                          // by id; bytes as GPT-2's printable stand-ins
  std::vector<std::pair<std::string, std::string>> merges = {};  // by rank
  std::size_t special = 0;                                       // how many of the first tokens are special
  bool add_prefix_space = false;

  /// The content of a tokenizer.json that Hugging Face tokenizers reads.
  nlohmann::json tokenizer_json() const {
    using nlohmann::json;
    const json byte_level = {
        {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", true}};
    json file = detail::tokenizer_json_frame(tokens, special);
    file["normalizer"] = nullptr;
    file["pre_tokenizer"] = byte_level;
    file["decoder"] = byte_level;
    file["post_processor"] = detail::template_processor(tokens, special, "<s>", "</s>");
    json pairs = json::array();
    for (const auto& [first, second] : merges) pairs.push_back(json::array({first, second}));
    file["model"] = {{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", nullptr},
                     {"continuing_subword_prefix", nullptr},
                     {"end_of_word_suffix", nullptr},
                     {"fuse_unk", false},
                     {"byte_fallback", false},
                     {"ignore_merges", false},
                     {"vocab", detail::vocabulary_json(tokens)},
                     {"merges", std::move(pairs)}};
    return file;
  }

  /// Writes tokenizer.json, tokenizer_config.json, vocab.json and merges.txt. The folder must exist. Errors:
  /// [cloze.file.3].
  void save_pretrained(const std::filesystem::path& folder) const {
    std::string lines = "#version: 0.2\n";
    for (const auto& [first, second] : merges) lines += first + " " + second + "\n";
    write_file_atomically(folder / "merges.txt", lines);
    write_file_atomically(folder / "vocab.json", detail::vocabulary_json(tokens).dump());
    write_file_atomically(folder / "tokenizer.json", tokenizer_json().dump(1));
    nlohmann::json config = detail::tokenizer_config(tokens, special,
                                                     {{"bos_token", "<s>"},
                                                      {"cls_token", "<s>"},
                                                      {"eos_token", "</s>"},
                                                      {"mask_token", "<mask>"},
                                                      {"pad_token", "<pad>"},
                                                      {"sep_token", "</s>"},
                                                      {"unk_token", "<unk>"}});
    config["add_prefix_space"] = add_prefix_space;
    write_file_atomically(folder / "tokenizer_config.json", config.dump(1));
  }
};

/// Give it the corpus, part by part, then train.
class BpeTrainer {
 public:
  /// Errors: [cloze.train_vocabulary.1] an empty special token or one given twice.
  explicit BpeTrainer(BpeTrainerOptions options = {})
      : options_(std::move(options)), words_(make_counter(options_.add_prefix_space)) {
    detail::GrowingVocabulary vocabulary;
    detail::add_special_tokens(vocabulary, options_.special, "");
  }

  /// Errors: [cloze.text.1] broken UTF-8.
  void add(std::span<const std::string> texts) { words_.add(texts); }

  /// At most `vocab_size` tokens: fewer where the corpus has not so many frequent pairs. All 256 bytes are among them,
  /// so every text can be spelled. Errors: [cloze.train_vocabulary.2] no words, or a size below special tokens and
  /// bytes.
  BpeVocabulary train() const {
    const std::vector<WordCount> words = words_.sorted();
    detail::GrowingVocabulary vocabulary;
    detail::add_special_tokens(vocabulary, options_.special, "");
    std::vector<char32_t> symbols(detail::text::byte_symbols().begin(), detail::text::byte_symbols().end());
    std::sort(symbols.begin(), symbols.end());
    for (const char32_t symbol : symbols) vocabulary.add(detail::text::to_utf8({&symbol, 1}));
    detail::check_training(words.size(), vocabulary.size(), options_.vocab_size);

    std::vector<std::int32_t> ids;  // [256]
    for (const char32_t symbol : detail::text::byte_symbols())
      ids.push_back(vocabulary.find(detail::text::to_utf8({&symbol, 1})));
    detail::TokenizedWords tokenized;
    for (const WordCount& word : words) {
      std::vector<std::int32_t> tokens;
      for (const char byte : word.word) tokens.push_back(ids[static_cast<unsigned char>(byte)]);
      tokenized.words.push_back(std::move(tokens));
      tokenized.counts.push_back(word.count);
    }
    detail::MergeLearner learn(std::move(tokenized), vocabulary, "");
    BpeVocabulary trained{.special = options_.special.size(), .add_prefix_space = options_.add_prefix_space};
    for (const auto& [first, second] : learn(static_cast<std::size_t>(options_.vocab_size), options_.min_frequency))
      trained.merges.emplace_back(vocabulary.token(first), vocabulary.token(second));
    trained.tokens = vocabulary.tokens();
    return trained;
  }

 private:
  static WordCounter make_counter(bool add_prefix_space) {
    detail::text::PreTokenizer pre_tokenizer;
    pre_tokenizer.add(detail::text::ByteLevel(add_prefix_space, true));
    return WordCounter({}, std::move(pre_tokenizer));
  }

  BpeTrainerOptions options_;
  WordCounter words_;
};

}  // namespace cloze
