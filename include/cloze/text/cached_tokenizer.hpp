// CachedTokenizer: any tokenizer, remembering the ids of the texts it met last.
#pragma once

#include <concepts>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/tokenizer_like.hpp>

namespace cloze {

/// A demonstration is shown again and again, and a query once for each draw: with this each is tokenised once. Ids are
/// those of the tokenizer itself. Copies share what they remember; many threads may use them.
template <TokenizerLike Inner>
class CachedTokenizer {
 public:
  /// Remembers at least the last `texts` different texts, and at most twice as many. Throws [cloze.cached_tokenizer.1]
  /// for none.
  explicit CachedTokenizer(Inner inner, Index texts = 16384)
      : inner_(std::move(inner)), memory_(std::make_shared<Memory>()) {
    require(texts >= 1, "cloze.cached_tokenizer.1", "a tokenizer that remembers {} texts; wanted 1 or more", texts);
    memory_->capacity = static_cast<std::size_t>(texts);
  }

  std::vector<TokenId> encode(std::string_view text) const {
    std::string key(text);
    if (auto known = memory_->find(key)) return std::move(*known);
    std::vector<TokenId> ids = inner_.encode(text);
    memory_->keep(std::move(key), ids);
    return ids;
  }

  std::string decode(std::span<const TokenId> ids) const { return inner_.decode(ids); }
  Index vocab_size() const { return static_cast<Index>(inner_.vocab_size()); }
  const SpecialTokens& special() const { return inner_.special(); }
  std::optional<TokenId> find(std::string_view token) const { return inner_.find(token); }
  std::string_view token(TokenId id) const { return inner_.token(id); }
  std::string_view word_prefix() const { return inner_.word_prefix(); }
  const Inner& inner() const { return inner_; }

 private:
  using Table = std::unordered_map<std::string, std::vector<TokenId>>;

  // Two tables: when the young one is full it becomes the old one, and what was only in the old one is forgotten.
  struct Memory {
    std::mutex mutex;
    std::size_t capacity = 0;
    Table young, old;

    std::optional<std::vector<TokenId>> find(const std::string& text) {
      const std::lock_guard lock(mutex);
      if (const auto at = young.find(text); at != young.end()) return at->second;
      const auto at = old.find(text);
      if (at == old.end()) return std::nullopt;
      std::vector<TokenId> ids = at->second;
      insert(text, ids);
      return ids;
    }

    void keep(std::string text, const std::vector<TokenId>& ids) {
      const std::lock_guard lock(mutex);
      insert(std::move(text), ids);
    }

    void insert(std::string text, const std::vector<TokenId>& ids) {
      if (young.size() == capacity && !young.contains(text)) {
        old = std::move(young);
        young.clear();
      }
      young.insert_or_assign(std::move(text), ids);
    }
  };

  Inner inner_;
  std::shared_ptr<Memory> memory_;
};

}  // namespace cloze
