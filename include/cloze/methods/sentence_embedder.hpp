// SentenceEmbedder: texts to vectors with a pretrained sentence encoder and its tokenizer, as sentence-transformers
// does.
#pragma once

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/content_hash.hpp>
#include <cloze/models/sentence_encoder.hpp>
#include <cloze/prompt/text_embedding.hpp>
#include <cloze/text/tokenizer.hpp>
#include <cloze/train/progress.hpp>
#include <cloze/train/sampler.hpp>

namespace cloze {

struct EmbedOptions {
  /// Tokens of a text, special tokens included; what is longer is cut at its end. Nothing: the folder's
  /// sentence_bert_config.json, else all that the model takes.
  std::optional<Index> max_length = {};
  Index batch_tokens = 2048;        // encoded at once; a longer text goes alone
  Index progress_from = 1000;       // so many texts show progress, fewer do not
  std::string label = "embedding";  // before the progress bar
};

/// cls text sep through the encoder; the mean of the hidden states, at length 1. Satisfies EmbedsTexts. Copies share
/// the model.
template <Scalar T = float, Device D = Cpu>
class SentenceEmbedder {
 public:
  /// Throws [cloze.sentence_encoder.2] where max_length leaves no room for text or is more than the model takes.
  SentenceEmbedder(SentenceEncoder<T, D> encoder, Tokenizer tokenizer, EmbedOptions options = {})
      : encoder_(std::move(encoder)), tokenizer_(std::move(tokenizer)), options_(std::move(options)) {
    const Index most = encoder_.config().max_length();
    max_length_ = options_.max_length.value_or(most);
    require(max_length_ > special_tokens() && max_length_ <= most, "cloze.sentence_encoder.2",
            "texts of at most {} tokens; wanted more than the {} special tokens and at most the model's {}",
            max_length_, special_tokens(), most);
  }

  /// Reads a folder with weights and tokenizer. Errors: SentenceEncoder's, Tokenizer's and the constructor's.
  static SentenceEmbedder from_pretrained(const std::filesystem::path& folder, EmbedOptions options = {}) {
    const auto settings = folder / "sentence_bert_config.json";
    if (!options.max_length && std::filesystem::exists(settings)) {
      const auto json = read_json(settings);
      if (json.contains("max_seq_length") && !json.at("max_seq_length").is_null())
        options.max_length = json_get<Index>(json, "max_seq_length", settings.string());
    }
    return {SentenceEncoder<T, D>::from_pretrained(folder), Tokenizer::from_pretrained(folder), std::move(options)};
  }

  /// Longest texts first, so that a batch holds equal lengths; packed, so none is padded.   -> [texts, hidden]
  Tensor<float, Cpu> embed(std::span<const std::string> texts) const {
    const auto width = static_cast<std::size_t>(encoder_.config().hidden_size);
    std::vector<Prompt> prompts;
    std::vector<Index> lengths;
    for (const std::string& text : texts) {
      prompts.push_back({.ids = input(text)});
      lengths.push_back(static_cast<Index>(prompts.back().ids.size()));
    }
    std::vector<float> values(texts.size() * width);
    const bool show = static_cast<Index>(texts.size()) >= options_.progress_from;
    Progress progress(static_cast<Index>(texts.size()), shown(show));
    for (const auto& chosen : token_batches_by_length(lengths, options_.batch_tokens)) {
      PackedBatch batch;
      for (const Index i : chosen) batch.append(prompts[static_cast<std::size_t>(i)]);
      const auto vectors = encoder_.encode(batch).to_vector();
      for (std::size_t row = 0; row < chosen.size(); ++row) {
        std::transform(vectors.begin() + static_cast<std::ptrdiff_t>(row * width),
                       vectors.begin() + static_cast<std::ptrdiff_t>((row + 1) * width),
                       values.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(chosen[row]) * width),
                       [](T value) { return static_cast<float>(value); });
        progress.advance();
      }
    }
    return Tensor<float, Cpu>::from(values, {static_cast<Index>(texts.size()), static_cast<Index>(width)});
  }

  /// A hash of all that decides the vectors: weights, configuration, tokenizer and max_length.   32 digits
  std::string identity() const {
    ContentHash hash;
    hash.add_text("cloze sentence embedder 1");
    hash.add_number(static_cast<std::uint64_t>(max_length_));
    hash.add_number(tokenizer_.hash());
    hash.add_number(sizeof(T));
    hash.add_text(encoder_.config().json.dump());
    for (const auto& entry : encoder_.state_dict()) {
      hash.add_text(entry.name);
      const std::vector<T> values = entry.slice().to_vector();
      hash.add(std::as_bytes(std::span<const T>(values)));
    }
    return hash.hex();
  }

  const SentenceEncoder<T, D>& encoder() const { return encoder_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  Index max_length() const { return max_length_; }

 private:
  Index special_tokens() const { return (tokenizer_.special().cls ? 1 : 0) + (tokenizer_.special().sep ? 1 : 0); }

  std::vector<TokenId> input(const std::string& text) const {
    std::vector<TokenId> ids = tokenizer_.encode(text);
    ids.resize(std::min(ids.size(), static_cast<std::size_t>(max_length_ - special_tokens())));
    if (const auto& cls = tokenizer_.special().cls) ids.insert(ids.begin(), *cls);
    if (const auto& sep = tokenizer_.special().sep) ids.push_back(*sep);
    return ids;
  }

  ProgressOptions shown(bool show) const {
    ProgressOptions settings{.label = options_.label};
    if (!show) settings.write = [](std::string_view) {};
    return settings;
  }

  SentenceEncoder<T, D> encoder_;
  Tokenizer tokenizer_;
  EmbedOptions options_;
  Index max_length_ = 0;
};

}  // namespace cloze
