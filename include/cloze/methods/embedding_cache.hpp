// CachedEmbedder: any sentence encoder, with its vectors kept on disk under the content of each text.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <cloze/core/content_hash.hpp>
#include <cloze/core/error.hpp>
#include <cloze/io/safetensors.hpp>
#include <cloze/io/safetensors_writer.hpp>
#include <cloze/prompt/text_embedding.hpp>
#include <cloze/train/progress.hpp>

namespace cloze {

/// A sentence encoder that can name itself: equal identities, equal vectors. A name of letters, digits, '-' and '_'.
template <class E>
concept IdentifiedEmbedder = EmbedsTexts<E> && requires(const E& encoder) {
  { encoder.identity() } -> std::convertible_to<std::string>;
};

struct EmbeddingCacheOptions {
  Index chunk = 512;                // texts embedded, then written as one file: what an interruption can lose
  Index save_from = 16;             // a call with fewer new texts keeps them in memory only
  Index progress_from = 1000;       // so many new texts show progress, fewer do not
  std::string label = "embedding";  // before the progress bar
};

/// The vectors of one encoder, in `folder`/IDENTITY/*.safetensors. Each file is written whole or not at all and is
/// named after its content, so several processes may share a folder and a killed one leaves only whole files.
class EmbeddingStore {
 public:
  using Key = ContentHash::Value;

  /// Reads what is there. Errors: [cloze.embedding.3] a file that is damaged or of another encoder, [cloze.embedding.4]
  /// an identity that cannot name a folder, [cloze.file.3] a folder that cannot be made.
  EmbeddingStore(const std::filesystem::path& folder, const std::string& identity)
      : folder_(folder / identity), identity_(identity) {
    require(!identity.empty() && identity.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                            "0123456789-_") == std::string::npos,
            "cloze.embedding.4", "the encoder's identity \"{}\" cannot name a folder: wanted letters, digits, - and _",
            identity);
    std::error_code code;
    std::filesystem::create_directories(folder_, code);
    require(std::filesystem::is_directory(folder_), "cloze.file.3", "{}: the folder cannot be made: {}",
            folder_.string(), code ? code.message() : "there is a file of that name");
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    std::ranges::sort(files);
    for (const auto& file : files) read(file);
  }

  static Key key_of(std::string_view text) {
    ContentHash hash;
    hash.add_text(text);
    return hash.value();
  }

  Index width() const { return width_; }
  Index size() const { return static_cast<Index>(row_of_.size()); }

  /// The vector of a text, or nothing.   -> [width]
  std::span<const float> find(const Key& key) const {
    const auto at = row_of_.find(key);
    if (at == row_of_.end()) return {};
    return std::span(values_).subspan(at->second * static_cast<std::size_t>(width_), static_cast<std::size_t>(width_));
  }

  /// Takes new vectors, and writes them where `save` says so.   keys [n], vectors [n, width]
  /// Errors: [cloze.file.3] the disk refuses.
  void add(std::span<const Key> keys, std::span<const float> vectors, Index width, bool save) {
    if (save) write(keys, vectors, width);
    keep(keys, vectors, width);
  }

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const { return static_cast<std::size_t>(key[0]); }
  };

  static std::string checksum(const std::string& identity, std::span<const std::int64_t> keys,
                              std::span<const float> vectors) {
    ContentHash hash;
    hash.add_text(identity);
    hash.add(std::as_bytes(keys));
    hash.add(std::as_bytes(vectors));
    return hash.hex();
  }

  void keep(std::span<const Key> keys, std::span<const float> vectors, Index width) {
    width_ = width;
    const auto step = static_cast<std::size_t>(width);
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (row_of_.emplace(keys[i], row_of_.size()).second)
        values_.insert(values_.end(), vectors.begin() + static_cast<std::ptrdiff_t>(i * step),
                       vectors.begin() + static_cast<std::ptrdiff_t>((i + 1) * step));
  }

  void write(std::span<const Key> keys, std::span<const float> vectors, Index width) const {
    std::vector<std::int64_t> numbers;
    for (const Key& key : keys)
      for (const std::uint64_t half : key) numbers.push_back(static_cast<std::int64_t>(half));
    const auto count = static_cast<Index>(keys.size());
    const std::string sum = checksum(identity_, numbers, vectors);
    SafetensorsWriter writer;
    writer.set_metadata("format", "cloze-embeddings-1");
    writer.set_metadata("identity", identity_);
    writer.set_metadata("checksum", sum);
    writer.add("keys", Shape{count, 2}, std::span<const std::int64_t>(numbers));
    writer.add("vectors", Shape{count, width}, vectors);
    writer.write(folder_ / (sum + ".safetensors"));
  }

  void read(const std::filesystem::path& path) {
    const auto damaged = [&](std::string_view what) {
      fail("cloze.embedding.3", "{}: {}; delete this file, and its texts are embedded again", path.string(), what);
    };
    try {
      const SafetensorsFile file(path);
      const auto said = [&](const std::string& key) {
        const auto at = file.metadata().find(key);
        return at == file.metadata().end() ? std::string("nothing") : at->second;
      };
      if (said("format") != "cloze-embeddings-1") damaged("wanted format cloze-embeddings-1, found " + said("format"));
      if (said("identity") != identity_) damaged("these are vectors of encoder " + said("identity"));
      const Shape keys = file.info("keys").shape, vectors = file.info("vectors").shape;
      if (keys.rank() != 2 || vectors.rank() != 2 || keys[1] != 2 || keys[0] != vectors[0] || vectors[1] < 1)
        damaged(formatted("keys {} and vectors {} do not fit", keys.text(), vectors.text()));
      if (width_ != 0 && vectors[1] != width_)
        damaged(formatted("vectors of width {}, the other files have {}", vectors[1], width_));
      const auto numbers = file.read_values<std::int64_t>("keys");
      const auto values = file.read_values<float>("vectors");
      if (checksum(identity_, numbers, values) != said("checksum")) damaged("its checksum does not fit its content");
      std::vector<Key> found;
      for (std::size_t i = 0; i < numbers.size(); i += 2)
        found.push_back({static_cast<std::uint64_t>(numbers[i]), static_cast<std::uint64_t>(numbers[i + 1])});
      keep(found, values, vectors[1]);
    } catch (const Error& error) {
      if (error.id() == "cloze.embedding.3") throw;
      damaged(error.what());
    }
  }

  std::filesystem::path folder_;
  std::string identity_;
  Index width_ = 0;
  std::vector<float> values_;                          // [texts, width]
  std::unordered_map<Key, std::size_t, Hash> row_of_;  // text's hash -> row
};

/// Embeds a text once, whatever its place or file: vectors are found again by the content of the text and of the
/// encoder. An interrupted run goes on after its last whole chunk. Satisfies EmbedsTexts; copies share everything, and
/// many threads may use them.
///   SimilarDemos demos(CachedEmbedder(encoder, "cache"), data.train);
template <IdentifiedEmbedder E>
class CachedEmbedder {
 public:
  /// Errors: EmbeddingStore's; [cloze.embedding.5] a chunk below 1.
  CachedEmbedder(E encoder, const std::filesystem::path& folder, EmbeddingCacheOptions options = {})
      : encoder_(std::move(encoder)), options_(std::move(options)) {
    require(options_.chunk >= 1, "cloze.embedding.5", "chunks of {} texts; wanted 1 or more", options_.chunk);
    shared_ = std::make_shared<Shared>(folder, encoder_.identity());
  }

  /// texts -> [texts, width]   Errors: checked_embeddings' and EmbeddingStore's.
  Tensor<float, Cpu> embed(std::span<const std::string> texts) const {
    const std::lock_guard lock(shared_->mutex);
    EmbeddingStore& store = shared_->store;
    std::vector<EmbeddingStore::Key> keys;
    std::map<EmbeddingStore::Key, std::size_t> missing;  // key -> first text
    for (std::size_t i = 0; i < texts.size(); ++i) {
      keys.push_back(EmbeddingStore::key_of(texts[i]));
      if (store.find(keys.back()).empty()) missing.emplace(keys.back(), i);
    }
    embed_missing(texts, missing);
    std::vector<float> values;
    for (const auto& key : keys) {
      const auto vector = store.find(key);
      values.insert(values.end(), vector.begin(), vector.end());
    }
    return Tensor<float, Cpu>::from(values, {static_cast<Index>(texts.size()), store.width()});
  }

  /// Texts whose vectors are known.
  Index size() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->store.size();
  }
  std::string identity() const { return encoder_.identity(); }
  const E& encoder() const { return encoder_; }

 private:
  struct Shared {
    Shared(const std::filesystem::path& folder, const std::string& identity) : store(folder, identity) {}
    std::mutex mutex;
    EmbeddingStore store;
  };

  void embed_missing(std::span<const std::string> texts,
                     const std::map<EmbeddingStore::Key, std::size_t>& missing) const {
    std::vector<std::size_t> order;
    for (const auto& [key, text] : missing) order.push_back(text);
    std::ranges::sort(order);
    const auto total = static_cast<Index>(order.size());
    ProgressOptions shown{.label = options_.label};
    if (total < options_.progress_from) shown.write = [](std::string_view) {};
    Progress progress(total, shown);
    for (std::size_t begin = 0; begin < order.size(); begin += static_cast<std::size_t>(options_.chunk)) {
      const auto end = std::min(order.size(), begin + static_cast<std::size_t>(options_.chunk));
      std::vector<std::string> some;
      std::vector<EmbeddingStore::Key> keys;
      for (std::size_t i = begin; i < end; ++i) {
        some.push_back(texts[order[i]]);
        keys.push_back(EmbeddingStore::key_of(some.back()));
      }
      Index width = shared_->store.width();
      const auto vectors = checked_embeddings(encoder_, std::span<const std::string>(some), width);
      shared_->store.add(keys, vectors, width, total >= options_.save_from);
      for (std::size_t i = begin; i < end; ++i) progress.advance();
    }
  }

  E encoder_;
  EmbeddingCacheOptions options_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace cloze
