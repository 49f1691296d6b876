// The Precompiled normalizer: SentencePiece's table of replacements, a double-array trie with a pool of strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <utf8proc.h>

#include <cloze/core/error.hpp>
#include <cloze/text/normalized_text.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail::text {

/// Bytes of base64 text. Errors: [cloze.text.5] a character that is not base64, or a wrong length.
inline std::string decode_base64(std::string_view text, std::string_view where) {
  const auto digit = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  require(text.size() % 4 == 0, "cloze.text.5", "{}: wanted base64, found {} characters, not a multiple of 4", where,
          text.size());
  std::size_t size = text.size();
  while (size > 0 && text.size() - size < 2 && text[size - 1] == '=') --size;
  std::string bytes;
  bytes.reserve(size / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int held = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const int value = digit(text[i]);
    require(value >= 0, "cloze.text.5", "{}: wanted base64, found byte 0x{:02x} at {}", where,
            static_cast<unsigned>(static_cast<unsigned char>(text[i])), i);
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes += static_cast<char>(bits >> held & 0xFF);
    }
  }
  return bytes;
}

/// Format: 4 bytes little-endian, the trie's size in bytes; the trie, 32-bit units of Darts-clone; strings ended by
/// NUL.
class Charsmap {
 public:
  /// Errors: [cloze.text.5] lengths that do not fit the bytes.
  Charsmap(std::string_view bytes, std::string_view where) {
    require(bytes.size() >= 4, "cloze.text.5", "{}: wanted at least 4 bytes of charsmap, found {}", where,
            bytes.size());
    const std::size_t trie = word(bytes, 0);
    require(trie % 4 == 0 && trie <= bytes.size() - 4, "cloze.text.5",
            "{}: charsmap of {} bytes claims a trie of {} bytes", where, bytes.size(), trie);
    units_.reserve(trie / 4);
    for (std::size_t i = 0; i < trie / 4; ++i) units_.push_back(word(bytes, 4 + 4 * i));
    strings_ = std::string(bytes.substr(4 + trie));
  }

  /// What the shortest prefix of `chunk` in the table becomes (tokenizers replaces the whole chunk by it), or nothing.
  std::optional<std::string_view> find(std::string_view chunk) const {
    if (units_.empty()) return std::nullopt;
    std::size_t node = offset(units_[0]);
    for (const char c : chunk) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0) break;
      node ^= byte;
      if (node >= units_.size() || (units_[node] & 0x800000FFu) != byte) return std::nullopt;
      const bool has_leaf = (units_[node] >> 8 & 1) != 0;
      node ^= offset(units_[node]);
      if (!has_leaf) continue;
      if (node >= units_.size()) return std::nullopt;
      const std::size_t start = units_[node] & 0x7FFFFFFFu;
      if (start >= strings_.size()) return std::nullopt;
      return std::string_view(strings_).substr(start, strings_.find('\0', start) - start);
    }
    return std::nullopt;
  }

  std::string_view strings() const { return strings_; }

 private:
  static std::uint32_t word(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
      value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    return value;
  }

  static std::size_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

  std::vector<std::uint32_t> units_;
  std::string strings_;
};

/// Where the grapheme that begins at `begin` ends.
inline std::size_t grapheme_end(const std::u32string& points, std::size_t begin) {
  std::size_t end = begin + 1;
  utf8proc_int32_t state = 0;
  while (end < points.size() && !utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(points[end - 1]),
                                                                  static_cast<utf8proc_int32_t>(points[end]), &state))
    ++end;
  return end;
}

/// Whole graphemes of less than 6 bytes are looked up first, then single code points: tokenizers' reading of the table.
inline void normalize(NormalizedText& text, const Charsmap& charsmap) {
  std::vector<Rewrite> rewrites;
  rewrites.reserve(text.size());
  bool modified = false;
  std::string chunk;
  const std::u32string& points = text.points();
  const auto replace = [&](std::size_t begin, std::size_t end) {
    chunk.clear();
    for (std::size_t i = begin; i < end; ++i) append_utf8(chunk, points[i]);
    if (end - begin > 1 && chunk.size() >= 6) return false;
    const auto found = charsmap.find(chunk);
    if (!found) return false;
    modified = true;
    const std::u32string replacement = to_points(*found);
    const auto extra = static_cast<std::ptrdiff_t>(replacement.size()) - static_cast<std::ptrdiff_t>(end - begin);
    for (std::size_t i = 0; i < replacement.size(); ++i) {
      const bool inserted = extra > 0 && i >= end - begin;
      rewrites.push_back({replacement[i], inserted ? 1 : 0});
    }
    if (extra < 0 && !rewrites.empty()) rewrites.back().change += static_cast<int>(extra);
    return true;
  };
  for (std::size_t at = 0; at < points.size();) {
    const std::size_t end = grapheme_end(points, at);
    if (end - at > 1 && replace(at, end)) {
      at = end;
      continue;
    }
    for (; at < end; ++at) {
      if (!replace(at, at + 1)) rewrites.push_back({points[at], 0});
    }
  }
  if (modified) text.rewrite(rewrites);
}

}  // namespace cloze::detail::text
