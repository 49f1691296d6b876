// Words met before and their tokens: one small table per thread, shared by all tokenizers, so nothing is locked.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <cloze/text/token_model.hpp>

namespace cloze::detail::text {

/// A direct-mapped cache: a word has one place, and the last to come keeps it. Results never depend on what it holds.
class WordCache {
 public:
  static constexpr std::size_t max_bytes = 40;
  static constexpr std::size_t max_tokens = 8;

  /// A number that no other model of this process has.
  static std::uint64_t new_owner() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }

  /// The calling thread's cache.
  static WordCache& local() {
    thread_local WordCache cache;
    return cache;
  }

  /// Appends the tokens of `word` to `out` where `owner` has put them; false where it has not.
  bool find(std::uint64_t owner, std::string_view word, std::uint64_t hash, std::vector<WordToken>& out) const {
    const Entry& entry = entries_[hash % entry_count];
    if (entry.owner != owner || entry.hash != hash || entry.size != word.size()) return false;
    if (std::memcmp(entry.word.data(), word.data(), word.size()) != 0) return false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < entry.tokens; ++i) {
      out.push_back({entry.ids[i], begin, entry.ends[i]});
      begin = entry.ends[i];
    }
    return true;
  }

  /// Keeps the tokens of `word`, which lie end to end; a word too long for an entry is not kept.
  void put(std::uint64_t owner, std::string_view word, std::uint64_t hash, const WordToken* tokens, std::size_t count) {
    if (word.size() > max_bytes || count > max_tokens) return;
    Entry& entry = entries_[hash % entry_count];
    entry.owner = owner;
    entry.hash = hash;
    entry.size = static_cast<std::uint8_t>(word.size());
    entry.tokens = static_cast<std::uint8_t>(count);
    std::memcpy(entry.word.data(), word.data(), word.size());
    for (std::size_t i = 0; i < count; ++i) {
      entry.ids[i] = tokens[i].id;
      entry.ends[i] = static_cast<std::uint8_t>(tokens[i].end);
    }
  }

 private:
  struct Entry {
    std::uint64_t owner = 0;
    std::uint64_t hash = 0;
    std::array<TokenId, max_tokens> ids{};
    std::array<std::uint8_t, max_tokens> ends{};
    std::uint8_t size = 0;
    std::uint8_t tokens = 0;
    std::array<char, max_bytes> word{};
  };
  // About 900 KB: larger than the words of most texts, small enough to stay in the second-level cache.
  static constexpr std::size_t entry_count = 8192;

  std::vector<Entry> entries_ = std::vector<Entry>(entry_count);
};

}  // namespace cloze::detail::text
