// A vocabulary: token ids to their spelling and back. One block of bytes and a flat hash table; nothing is allocated to
// look up.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze::detail::text {

/// FNV-1a over bytes, one at a time, so that the hashes of all prefixes of a word come out on the way.
class PrefixHash {
 public:
  void add(char byte) { state_ = (state_ ^ static_cast<unsigned char>(byte)) * 0x100000001B3ull; }
  void add(std::string_view bytes) {
    for (const char byte : bytes) add(byte);
  }
  std::uint64_t value() const { return state_ ^ state_ >> 29; }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325ull;
};

inline std::uint64_t hash_of(std::string_view bytes) {
  PrefixHash hash;
  hash.add(bytes);
  return hash.value();
}

/// A map from strings to 32-bit numbers, open addressing, filled once.
class StringTable {
 public:
  void reserve(std::size_t strings, std::size_t bytes) {
    bytes_.reserve(bytes);
    entries_.reserve(strings);
    std::size_t slots = 16;
    while (slots < strings * 2) slots *= 2;
    if (slots > slots_.size()) rehash(slots);
  }

  /// Adds `key`; returns false, and changes nothing, where it is there already.
  bool add(std::string_view key, std::int32_t value) {
    const std::uint64_t hash = hash_of(key);
    if (find(key, hash)) return false;
    require(bytes_.size() + key.size() <= std::numeric_limits<std::uint32_t>::max(), "cloze.text.6",
            "vocabulary longer than 4 GiB");
    if ((entries_.size() + 1) * 2 > slots_.size()) rehash(std::max<std::size_t>(16, slots_.size() * 2));
    entries_.push_back({static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(key.size()), value});
    bytes_.append(key);
    place(hash, static_cast<std::uint32_t>(entries_.size()));
    longest_ = std::max(longest_, key.size());
    return true;
  }

  std::optional<std::int32_t> find(std::string_view key) const { return find(key, hash_of(key)); }

  /// As above for a caller that has the key's hash already.
  std::optional<std::int32_t> find(std::string_view key, std::uint64_t hash) const {
    if (slots_.empty()) return std::nullopt;
    const std::size_t mask = slots_.size() - 1;
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
      const Slot slot = slots_[at];
      if (slot.entry == 0) return std::nullopt;
      if (slot.tag == tag && string(slot.entry - 1) == key) return entries_[slot.entry - 1].value;
    }
  }

  std::size_t size() const { return entries_.size(); }
  /// Bytes of the longest key.
  std::size_t longest() const { return longest_; }
  std::string_view string(std::size_t entry) const {
    return std::string_view(bytes_).substr(entries_[entry].begin, entries_[entry].size);
  }
  std::int32_t value(std::size_t entry) const { return entries_[entry].value; }

 private:
  struct Entry {
    std::uint32_t begin, size;
    std::int32_t value;
  };
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t entry = 0;  // 0: empty, else 1 + its place in entries_
  };

  void place(std::uint64_t hash, std::uint32_t entry) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    while (slots_[at].entry != 0) at = (at + 1) & mask;
    slots_[at] = {static_cast<std::uint32_t>(hash >> 32), entry};
  }

  void rehash(std::size_t slots) {
    slots_.assign(slots, Slot{});
    for (std::size_t i = 0; i < entries_.size(); ++i) place(hash_of(string(i)), static_cast<std::uint32_t>(i + 1));
  }

  std::string bytes_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;
  std::size_t longest_ = 0;
};

/// Tokens by id and by spelling. Ids run from 0; a published vocabulary may leave a few out (RoBERTa's leaves three).
class Vocabulary {
 public:
  /// The most ids below the greatest that may have no token: more means a damaged file.
  static constexpr std::size_t max_missing = 8;

  void reserve(std::size_t tokens, std::size_t bytes) { table_.reserve(tokens, bytes); }

  /// Errors: [cloze.text.2] the token is there already, or another has its id, or the id is out of range.
  void add(std::string_view token, std::int64_t id, std::string_view where) {
    require(id >= 0 && id < max_id, "cloze.text.2", "{}: token \"{}\" has id {}, wanted 0 to {}", where, token, id,
            max_id - 1);
    const auto at = static_cast<std::size_t>(id);
    require(at >= by_id_.size() || by_id_[at] == none, "cloze.text.2", "{}: tokens \"{}\" and \"{}\" share id {}",
            where, at < by_id_.size() && by_id_[at] != none ? table_.string(by_id_[at]) : std::string_view(), token,
            id);
    require(table_.add(token, static_cast<std::int32_t>(id)), "cloze.text.2", "{}: token \"{}\" is given twice", where,
            token);
    while (by_id_.size() <= at) by_id_.push_back(none);
    by_id_[at] = static_cast<std::uint32_t>(table_.size() - 1);
  }

  /// Errors: [cloze.text.3] no token at all, or too many ids without one.
  void check(std::string_view where) const {
    require(!by_id_.empty(), "cloze.text.3", "{}: the vocabulary is empty", where);
    const std::size_t missing = by_id_.size() - table_.size();
    if (missing <= max_missing) return;
    const auto first = std::find(by_id_.begin(), by_id_.end(), none) - by_id_.begin();
    fail("cloze.text.3", "{}: {} tokens but ids up to {}: {} ids have no token, the first of them {}", where,
         table_.size(), by_id_.size() - 1, missing, first);
  }

  std::optional<TokenId> find(std::string_view token) const { return as_id(table_.find(token)); }
  std::optional<TokenId> find(std::string_view token, std::uint64_t hash) const {
    return as_id(table_.find(token, hash));
  }

  /// The spelling of an id, as in the file. Errors: [cloze.text.4] no such id.
  std::string_view token(TokenId id) const {
    const auto at = static_cast<std::size_t>(value(id));
    require(value(id) >= 0 && at < by_id_.size() && by_id_[at] != none, "cloze.text.4",
            "no token has id {}; the vocabulary has ids 0 to {}", value(id), static_cast<Index>(by_id_.size()) - 1);
    return table_.string(by_id_[at]);
  }

  /// Whether an id below size() has a token.
  bool has(std::size_t id) const { return id < by_id_.size() && by_id_[id] != none; }

  /// One more than the greatest id: the rows of a model's embedding.
  std::size_t size() const { return by_id_.size(); }
  std::size_t longest() const { return table_.longest(); }

 private:
  static constexpr std::uint32_t none = static_cast<std::uint32_t>(-1);
  // No model has more rows; a greater id in a file would only make the table by id huge.
  static constexpr std::int64_t max_id = 1 << 22;

  static std::optional<TokenId> as_id(std::optional<std::int32_t> found) {
    return found ? std::optional(TokenId{*found}) : std::nullopt;
  }

  StringTable table_;
  std::vector<std::uint32_t> by_id_;
};

}  // namespace cloze::detail::text
