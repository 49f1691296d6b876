// A text while it is being normalised: its code points now, and where in the original each of them came from.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/text/tokenizer_like.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail::text {

/// One code point of a rewritten text. `change` follows Hugging Face: 0 replaces the next old code point, 1 is inserted
/// after what precedes it, -n replaces the next old one and swallows the n after it; `skip` old ones vanish before
/// that.
struct Rewrite {
  char32_t point;
  int change = 0;
  std::size_t skip = 0;
};

/// Code points and, where `tracked`, their spans in the original text. Offsets must equal Hugging Face's, which keeps
/// for each new code point the span of one old one; so every normalizer edits through this type only.
class NormalizedText {
 public:
  NormalizedText() = default;

  /// Errors: [cloze.text.1] broken UTF-8.
  void assign(std::string_view utf8, bool tracked) {
    points_.clear();
    append_points(points_, utf8);
    tracked_ = tracked;
    spans_.clear();
    if (!tracked) return;
    spans_.reserve(points_.size());
    for (std::size_t i = 0; i < points_.size(); ++i)
      spans_.push_back({static_cast<Index>(i), static_cast<Index>(i) + 1});
  }

  const std::u32string& points() const { return points_; }
  std::size_t size() const { return points_.size(); }
  bool tracked() const { return tracked_; }

  /// Where tracked, the span in the original of code point `i`.
  const TextSpan& span(std::size_t i) const { return spans_[i]; }

  /// Whether every code point is less than `bound` (most texts need none of the Unicode work).
  bool all_below(char32_t bound) const {
    return std::all_of(points_.begin(), points_.end(), [bound](char32_t point) { return point < bound; });
  }

  /// Replaces each code point by map(point).
  template <class Map>
  void map(Map&& map) {
    for (char32_t& point : points_) point = map(point);
  }

  /// Drops the code points for which drop(point) is true.
  template <class Drop>
  void remove_if(Drop&& drop) {
    std::size_t to = 0;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (drop(points_[i])) continue;
      if (to != i) {
        points_[to] = points_[i];
        if (tracked_) spans_[to] = spans_[i];
      }
      ++to;
    }
    resize(to);
  }

  /// A copy of code points [begin, end).
  NormalizedText slice(std::size_t begin, std::size_t end) const {
    NormalizedText part;
    part.points_ = points_.substr(begin, end - begin);
    part.tracked_ = tracked_;
    if (tracked_) part.spans_.assign(spans_.begin() + signed_index(begin), spans_.begin() + signed_index(end));
    return part;
  }

  /// Keeps [begin, end) only.
  void keep(std::size_t begin, std::size_t end) {
    resize(end);
    points_.erase(0, begin);
    if (tracked_) spans_.erase(spans_.begin(), spans_.begin() + signed_index(begin));
  }

  /// Replaces the whole text.
  void rewrite(const std::vector<Rewrite>& rewrites) {
    if (tracked_) {
      std::vector<TextSpan> spans;
      spans.reserve(rewrites.size());
      std::size_t old = 0;
      for (const Rewrite& next : rewrites) {
        old += next.skip;
        if (next.change > 0) {
          spans.push_back(old == 0 ? TextSpan{0, 0} : spans_[old - 1]);
        } else {
          spans.push_back(old < spans_.size() ? spans_[old] : TextSpan{});
          old += 1 + static_cast<std::size_t>(-next.change);
        }
      }
      spans_ = std::move(spans);
    }
    points_.resize(rewrites.size());
    for (std::size_t i = 0; i < rewrites.size(); ++i) points_[i] = rewrites[i].point;
  }

  /// Inserts `prefix` before each code point that `at` (sorted, each < size()) names; it shares that one's span.
  void insert_each(const std::vector<std::size_t>& at, std::u32string_view prefix) {
    if (at.empty() || prefix.empty()) return;
    std::u32string points;
    std::vector<TextSpan> spans;
    points.reserve(points_.size() + at.size() * prefix.size());
    if (tracked_) spans.reserve(points_.size() + at.size() * prefix.size());
    std::size_t from = 0;
    for (std::size_t k = 0; k <= at.size(); ++k) {
      const std::size_t to = k < at.size() ? at[k] : points_.size();
      points.append(points_, from, to - from);
      if (k < at.size()) points.append(prefix);
      if (tracked_) {
        for (std::size_t i = from; i < to; ++i) spans.push_back(spans_[i]);
        for (std::size_t i = 0; i < prefix.size() && k < at.size(); ++i) spans.push_back(spans_[to]);
      }
      from = to;
    }
    points_.swap(points);
    spans_.swap(spans);
  }

 private:
  static std::ptrdiff_t signed_index(std::size_t i) { return static_cast<std::ptrdiff_t>(i); }

  void resize(std::size_t size) {
    points_.resize(size);
    if (tracked_) spans_.resize(size);
  }

  std::u32string points_;
  std::vector<TextSpan> spans_;
  bool tracked_ = false;
};

}  // namespace cloze::detail::text
