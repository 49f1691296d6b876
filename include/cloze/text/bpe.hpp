// Byte-level byte-pair encoding (Sennrich et al. 2016; GPT-2, RoBERTa): bytes, then the merges of the file by rank.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/token_model.hpp>
#include <cloze/text/unicode.hpp>
#include <cloze/text/vocabulary.hpp>
#include <cloze/text/word_cache.hpp>

namespace cloze::detail::text {

/// GPT-2's printable stand-ins: bytes that print stand for themselves, the others for U+0100 onwards in order.
inline const std::array<char32_t, 256>& byte_symbols() {
  static const auto symbols = [] {
    std::array<char32_t, 256> table{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool prints = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
      table[byte] = prints ? byte : next++;
    }
    return table;
  }();
  return symbols;
}

/// The byte that a stand-in means, or -1.
inline int symbol_byte(char32_t symbol) {
  static const auto bytes = [] {
    std::array<std::int16_t, 0x144> table{};
    table.fill(-1);
    for (std::size_t byte = 0; byte < 256; ++byte) table[byte_symbols()[byte]] = static_cast<std::int16_t>(byte);
    return table;
  }();
  return symbol < bytes.size() ? bytes[symbol] : -1;
}

/// From a pair of tokens to its rank (the lower the sooner) and the token it becomes.
class MergeTable {
 public:
  struct Merge {
    std::int32_t rank = std::numeric_limits<std::int32_t>::max();
    std::int32_t id = -1;
  };

  void reserve(std::size_t merges) {
    std::size_t slots = 16;
    while (slots < merges * 2) slots *= 2;
    slots_.assign(slots, Slot{});
  }

  /// As Hugging Face: a pair given twice has its last rank.
  void add(std::int32_t first, std::int32_t second, Merge merge) {
    Slot& slot = slots_[place(key(first, second))];
    slot = {key(first, second), merge};
  }

  /// The merge of a pair; its rank is the greatest int32 where there is none.
  Merge find(std::int32_t first, std::int32_t second) const { return slots_[place(key(first, second))].merge; }

 private:
  struct Slot {
    std::uint64_t key = empty;
    Merge merge{};
  };
  static constexpr std::uint64_t empty = ~std::uint64_t{0};

  static std::uint64_t key(std::int32_t first, std::int32_t second) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(first)) << 32 | static_cast<std::uint32_t>(second);
  }

  /// Where `wanted` is, or the empty slot where it would be. The table is never more than half full.
  std::size_t place(std::uint64_t wanted) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = (wanted * 0x9E3779B97F4A7C15ull >> 32) & mask;
    while (slots_[at].key != empty && slots_[at].key != wanted) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(16);
};

class ByteLevelBpe final : public TokenModel {
 public:
  using Merges = std::vector<std::pair<std::string_view, std::string_view>>;

  /// Errors: [cloze.text.8] a merge names a token that the vocabulary has not, or makes one.
  ByteLevelBpe(const Vocabulary& vocabulary, const Merges& merges, bool ignore_merges, std::string_view where)
      : owner_(WordCache::new_owner()) {
    const auto id_of = [&](std::string_view token, std::size_t rank) {
      const auto found = vocabulary.find(token);
      require(found.has_value(), "cloze.text.8", "{}: merge {} needs token \"{}\", which the vocabulary has not", where,
              rank + 1, token);
      return static_cast<std::int32_t>(*found);
    };
    merges_.reserve(merges.size());
    std::string merged;
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      const auto [first, second] = merges[rank];
      merged.assign(first).append(second);
      merges_.add(id_of(first, rank), id_of(second, rank), {static_cast<std::int32_t>(rank), id_of(merged, rank)});
    }
    for (std::size_t byte = 0; byte < 256; ++byte) {
      std::string symbol;
      append_utf8(symbol, byte_symbols()[byte]);
      const auto found = vocabulary.find(symbol);
      byte_ids_[byte] = found ? static_cast<std::int32_t>(*found) : -1;
    }
    if (ignore_merges) add_whole_words(vocabulary);
  }

  /// Appends the tokens of one word (any bytes). Errors: [cloze.text.9] a byte that has no token.
  void encode(std::string_view word, std::vector<WordToken>& out) const override {
    const std::uint64_t hash = hash_of(word);
    if (const auto whole = words_.find(word, hash)) {
      out.push_back({TokenId{*whole}, 0, word.size()});
      return;
    }
    if (word.size() > WordCache::max_bytes) return merge(word, out);
    WordCache& cache = WordCache::local();
    if (cache.find(owner_, word, hash, out)) return;
    const std::size_t start = out.size();
    merge(word, out);
    cache.put(owner_, word, hash, out.data() + start, out.size() - start);
  }

 private:
  static constexpr std::int32_t no_rank = std::numeric_limits<std::int32_t>::max();
  static constexpr std::size_t small = 48;

  void add_whole_words(const Vocabulary& vocabulary) {
    std::string bytes;
    for (std::size_t id = 0; id < vocabulary.size(); ++id) {
      if (!vocabulary.has(id)) continue;
      bytes.clear();
      bool all = true;
      for (const char32_t symbol : to_points(vocabulary.token(TokenId{static_cast<std::int32_t>(id)}))) {
        const int byte = symbol_byte(symbol);
        all = all && byte >= 0;
        bytes += static_cast<char>(byte);
      }
      if (all) words_.add(bytes, static_cast<std::int32_t>(id));
    }
  }

  std::int32_t byte_id(std::string_view word, std::size_t at) const {
    const auto byte = static_cast<unsigned char>(word[at]);
    const std::int32_t id = byte_ids_[byte];
    require(id >= 0, "cloze.text.9", "the vocabulary has no token for byte 0x{:02x}, found in \"{}\"",
            static_cast<unsigned>(byte), word.substr(0, 60));
    return id;
  }

  void merge(std::string_view word, std::vector<WordToken>& out) const {
    if (word.size() <= small) {
      merge_small(word, out);
    } else {
      merge_large(word, out);
    }
  }

  /// Scans for the lowest rank after every merge: fewest steps for the words of real text.
  void merge_small(std::string_view word, std::vector<WordToken>& out) const {
    std::array<std::int32_t, small + 1> ids;
    std::array<MergeTable::Merge, small + 1> next;
    std::array<std::uint8_t, small + 1> begins;
    std::size_t count = word.size();
    for (std::size_t i = 0; i < count; ++i) {
      ids[i] = byte_id(word, i);
      begins[i] = static_cast<std::uint8_t>(i);
    }
    for (std::size_t i = 0; i + 1 < count; ++i) next[i] = merges_.find(ids[i], ids[i + 1]);
    while (count > 1) {
      std::size_t best = 0;
      for (std::size_t i = 1; i + 1 < count; ++i) {
        if (next[i].rank < next[best].rank) best = i;
      }
      if (next[best].rank == no_rank) break;
      ids[best] = next[best].id;
      for (std::size_t i = best + 1; i + 1 < count; ++i) {
        ids[i] = ids[i + 1];
        begins[i] = begins[i + 1];
        next[i] = next[i + 1];
      }
      --count;
      if (best + 1 < count) next[best] = merges_.find(ids[best], ids[best + 1]);
      if (best > 0) next[best - 1] = merges_.find(ids[best - 1], ids[best]);
    }
    for (std::size_t i = 0; i < count; ++i)
      out.push_back({TokenId{ids[i]}, begins[i], i + 1 < count ? begins[i + 1] : word.size()});
  }

  /// The same merges in the same order through a heap and a linked list: n log n, for words without end.
  void merge_large(std::string_view word, std::vector<WordToken>& out) const {
    struct Symbol {
      std::int32_t id;
      std::size_t begin, end, previous, following;
    };
    struct Candidate {
      std::int32_t rank, first, second, id;
      std::size_t at;
      bool operator<(
          const Candidate& other) const {  // std::priority_queue gives the greatest: lowest rank, then leftmost
        return rank != other.rank ? rank > other.rank : at > other.at;
      }
    };
    constexpr std::size_t none = static_cast<std::size_t>(-1);
    std::vector<Symbol> symbols(word.size());
    for (std::size_t i = 0; i < word.size(); ++i)
      symbols[i] = {byte_id(word, i), i, i + 1, i == 0 ? none : i - 1, i + 1 == word.size() ? none : i + 1};
    std::priority_queue<Candidate> candidates;
    const auto consider = [&](std::size_t at) {
      if (at == none || symbols[at].following == none) return;
      const std::int32_t first = symbols[at].id;
      const std::int32_t second = symbols[symbols[at].following].id;
      const MergeTable::Merge merge = merges_.find(first, second);
      if (merge.rank != no_rank) candidates.push({merge.rank, first, second, merge.id, at});
    };
    for (std::size_t i = 0; i < symbols.size(); ++i) consider(i);
    while (!candidates.empty()) {
      const Candidate best = candidates.top();
      candidates.pop();
      Symbol& left = symbols[best.at];
      // Either half may have been merged away since: then this candidate is stale.
      if (left.id != best.first || left.following == none || symbols[left.following].id != best.second) continue;
      Symbol& right = symbols[left.following];
      left.id = best.id;
      left.end = right.end;
      left.following = right.following;
      right.id = -1;
      if (left.following != none) symbols[left.following].previous = best.at;
      consider(best.at);
      consider(left.previous);
    }
    for (std::size_t at = symbols.empty() ? none : 0; at != none; at = symbols[at].following)
      out.push_back({TokenId{symbols[at].id}, symbols[at].begin, symbols[at].end});
  }

  std::uint64_t owner_;
  MergeTable merges_;
  std::array<std::int32_t, 256> byte_ids_{};
  StringTable words_;  // only with ignore_merges: words that are tokens whatever the merges say
};

}  // namespace cloze::detail::text
