// Added tokens: words that are tokens whole, found in the text before it is cut. Special ones are never found: text is
// only text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cloze/text/normalized_text.hpp>
#include <cloze/text/normalizer.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail::text {

/// An entry of added_tokens in tokenizer.json.
struct AddedToken {
  std::string content;
  TokenId id{};
  bool single_word = false;  // only where no letter, digit or mark stands beside it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
  bool normalized = true;    // looked for in the normalised text, not in the original
  bool special = false;
};

/// A part of a text: a found token, or what lies between.
struct AddedSplit {
  std::optional<TokenId> token;
  std::size_t begin;
  std::size_t end;
};

/// Finds the longest token that begins at the leftmost place, as Hugging Face's with encode_special_tokens: where a
/// special one is the longest, its spelling is passed over as text.
class AddedTokenFinder {
 public:
  void add(const AddedToken& token, std::u32string pattern) {
    if (pattern.empty()) return;
    any_plain_ = any_plain_ || !token.special;
    std::size_t at = entries_.size();
    while (at > 0 && goes_before(pattern, entries_[at - 1].pattern)) --at;
    entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(at), Entry{std::move(pattern), token});
  }

  /// Whether there is anything to find.
  bool active() const { return any_plain_; }

  std::vector<AddedSplit> split(const std::u32string& points) const {
    std::vector<AddedSplit> parts;
    std::size_t done = 0;
    for (std::size_t at = 0; at < points.size();) {
      const Entry* entry = match(points, at);
      if (entry == nullptr) {
        ++at;
        continue;
      }
      std::size_t begin = at;
      std::size_t end = at + entry->pattern.size();
      at = end;
      const AddedToken& token = entry->token;
      if (token.special) continue;
      if (token.single_word) {
        const bool joined_left = begin > 0 && is_word(points[begin - 1]);
        const bool joined_right = end < points.size() && is_word(points[end]);
        if (joined_left || joined_right) continue;
      }
      if (token.lstrip) {
        while (begin > done && is_space(points[begin - 1])) --begin;
      }
      if (token.rstrip) {
        while (end < points.size() && is_space(points[end])) ++end;
      }
      begin = std::max(begin, done);
      if (begin > done) parts.push_back({std::nullopt, done, begin});
      parts.push_back({token.id, begin, end});
      done = end;
      at = std::max(at, done);
    }
    if (done < points.size()) parts.push_back({std::nullopt, done, points.size()});
    return parts;
  }

 private:
  struct Entry {
    std::u32string pattern;
    AddedToken token;
  };

  static bool goes_before(const std::u32string& a, const std::u32string& b) {
    return a.front() != b.front() ? a.front() < b.front() : a.size() > b.size();
  }

  const Entry* match(const std::u32string& points, std::size_t at) const {
    const char32_t first = points[at];
    auto entry = std::lower_bound(entries_.begin(), entries_.end(), first,
                                  [](const Entry& e, char32_t point) { return e.pattern.front() < point; });
    for (; entry != entries_.end() && entry->pattern.front() == first; ++entry) {
      if (points.compare(at, entry->pattern.size(), entry->pattern) == 0) return &*entry;
    }
    return nullptr;
  }

  std::vector<Entry> entries_;  // by their first code point, of each the longest first
  bool any_plain_ = false;
};

/// The added tokens of a file, ready to be looked for.
class AddedTokens {
 public:
  void add(AddedToken token) { tokens_.push_back(std::move(token)); }

  /// Builds the finders; to be called once, when all are added.
  void prepare(const Normalizer& normalizer) {
    for (const AddedToken& token : tokens_) {
      NormalizedText pattern;
      pattern.assign(token.content, false);
      if (token.normalized) normalizer(pattern);
      (token.normalized ? in_normalized_ : in_original_).add(token, pattern.points());
    }
  }

  const std::vector<AddedToken>& tokens() const { return tokens_; }
  const AddedTokenFinder& in_original() const { return in_original_; }
  const AddedTokenFinder& in_normalized() const { return in_normalized_; }

 private:
  std::vector<AddedToken> tokens_;
  AddedTokenFinder in_original_;
  AddedTokenFinder in_normalized_;
};

}  // namespace cloze::detail::text
