// Pre-tokenizers: a normalised text is cut into words, no token ever crossing a cut. A list of steps as in
// tokenizer.json.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/normalized_text.hpp>
#include <cloze/text/step_list.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail::text {

/// A word: code points [begin, end) of the normalised text.
struct Piece {
  std::size_t begin;
  std::size_t end;
};

/// One step of a pre-tokenizer.
class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  /// Appends the parts of each of `pieces` to `out`. `starts_text` tells whether `text` begins what the user gave.
  virtual void apply(NormalizedText& text, bool starts_text, std::vector<Piece>& pieces,
                     std::vector<Piece>& out) const = 0;
  virtual std::string describe() const = 0;
};

/// What becomes of a punctuation mark that cuts.
enum class CutBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// Cuts `piece` of `points` where is_cut says so, and appends the parts to `out`.
template <class IsCut>
void cut(const std::u32string& points, Piece piece, CutBehavior behavior, IsCut&& is_cut, std::vector<Piece>& out) {
  std::size_t start = piece.begin;
  for (std::size_t i = piece.begin; i < piece.end; ++i) {
    if (!is_cut(points[i])) continue;
    if (behavior == CutBehavior::merged_with_previous) {
      out.push_back({start, i + 1});
      start = i + 1;
      continue;
    }
    if (i > start) out.push_back({start, i});
    start = i;
    if (behavior == CutBehavior::merged_with_next) continue;
    if (behavior == CutBehavior::contiguous) {
      while (i + 1 < piece.end && is_cut(points[i + 1])) ++i;
    }
    if (behavior != CutBehavior::removed) out.push_back({start, i + 1});
    start = i + 1;
  }
  if (start < piece.end) out.push_back({start, piece.end});
}

/// Length of an English contraction ('s 't 're 've 'm 'll 'd) at `at`, 0 where there is none.
inline std::size_t contraction(const std::u32string& points, std::size_t at, std::size_t end) {
  if (points[at] != U'\'' || end - at < 2) return 0;
  const char32_t first = points[at + 1];
  if (first == U's' || first == U't' || first == U'm' || first == U'd') return 2;
  if (end - at < 3) return 0;
  const char32_t second = points[at + 2];
  const bool found =
      (first == U'r' && second == U'e') || (first == U'v' && second == U'e') || (first == U'l' && second == U'l');
  return found ? 3 : 0;
}

/// Where the word of GPT-2's expression that begins at `at` ends:
/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
inline std::size_t byte_level_end(const std::u32string& points, std::size_t at, std::size_t end) {
  if (const std::size_t length = contraction(points, at, end)) return at + length;
  const auto run = [&](std::size_t from, auto&& in_class) {
    while (from < end && in_class(points[from])) ++from;
    return from;
  };
  const std::size_t start = at + (points[at] == U' ' && at + 1 < end && !is_space(points[at + 1]) ? 1 : 0);
  const char32_t first = points[start];
  if (is_space(first)) {
    // A run of white space leaves its last one to the word behind it, unless it is all there is.
    const std::size_t stop = run(start, is_space);
    return stop < end && stop - start > 1 ? stop - 1 : stop;
  }
  if (is_letter(first)) return run(start + 1, is_letter);
  if (is_number(first)) return run(start + 1, is_number);
  return run(start + 1, [](char32_t p) { return !is_space(p) && !is_letter(p) && !is_number(p); });
}

/// White space is dropped, every punctuation mark is a word of its own.
struct BertPreTokenizer final : PreTokenizerStep {
  void apply(NormalizedText& text, bool, std::vector<Piece>& pieces, std::vector<Piece>& out) const override {
    const std::u32string& points = text.points();
    for (const Piece& piece : pieces) {
      std::size_t start = piece.begin;
      for (std::size_t i = piece.begin; i < piece.end; ++i) {
        const bool space = is_space(points[i]);
        if (!space && !is_punctuation(points[i])) continue;
        if (i > start) out.push_back({start, i});
        if (!space) out.push_back({i, i + 1});
        start = i + 1;
      }
      if (start < piece.end) out.push_back({start, piece.end});
    }
  }
  std::string describe() const override { return "bert"; }
};

/// \w+|[^\w\s]+
struct WhitespacePreTokenizer final : PreTokenizerStep {
  void apply(NormalizedText& text, bool, std::vector<Piece>& pieces, std::vector<Piece>& out) const override {
    const std::u32string& points = text.points();
    for (const Piece& piece : pieces) {
      for (std::size_t i = piece.begin; i < piece.end;) {
        if (is_space(points[i]) && !is_word(points[i])) {
          ++i;
          continue;
        }
        const std::size_t start = i;
        const bool word = is_word(points[i]);
        while (i < piece.end && is_word(points[i]) == word && (word || !is_space(points[i]))) ++i;
        out.push_back({start, i});
      }
    }
  }
  std::string describe() const override { return "whitespace"; }
};

/// White space is dropped.
struct WhitespaceSplit final : PreTokenizerStep {
  void apply(NormalizedText& text, bool, std::vector<Piece>& pieces, std::vector<Piece>& out) const override {
    for (const Piece& piece : pieces) cut(text.points(), piece, CutBehavior::removed, is_space, out);
  }
  std::string describe() const override { return "whitespace_split"; }
};

struct Punctuation final : PreTokenizerStep {
  explicit Punctuation(CutBehavior becomes) : behavior(becomes) {}

  void apply(NormalizedText& text, bool, std::vector<Piece>& pieces, std::vector<Piece>& out) const override {
    for (const Piece& piece : pieces) cut(text.points(), piece, behavior, is_punctuation, out);
  }
  std::string describe() const override { return formatted("punctuation {}", static_cast<int>(behavior)); }

  CutBehavior behavior;
};

/// Puts `prefix` before every piece for which wants(piece) is true, and moves the pieces to their new places.
template <class Wants>
void prefix_pieces(NormalizedText& text, std::vector<Piece>& pieces, char32_t prefix, Wants&& wants) {
  std::vector<std::size_t> at;
  for (Piece& piece : pieces) {
    const bool wanted = piece.end > piece.begin && wants(piece);
    if (wanted) at.push_back(piece.begin);
    piece.begin += at.size() - (wanted ? 1 : 0);
    piece.end += at.size();
  }
  text.insert_each(at, std::u32string_view(&prefix, 1));
}

/// GPT-2's words. The bytes become symbols in the BPE model, not here.
struct ByteLevel final : PreTokenizerStep {
  ByteLevel(bool prefix_space, bool cut_words) : add_prefix_space(prefix_space), use_regex(cut_words) {}

  void apply(NormalizedText& text, bool, std::vector<Piece>& pieces, std::vector<Piece>& out) const override {
    if (add_prefix_space)
      prefix_pieces(text, pieces, U' ', [&](const Piece& piece) { return text.points()[piece.begin] != U' '; });
    for (const Piece& piece : pieces) {
      if (!use_regex) {
        out.push_back(piece);
        continue;
      }
      for (std::size_t at = piece.begin; at < piece.end;) {
        const std::size_t end = byte_level_end(text.points(), at, piece.end);
        out.push_back({at, end});
        at = end;
      }
    }
  }
  std::string describe() const override { return formatted("bytes {} {}", add_prefix_space, use_regex); }

  bool add_prefix_space;
  bool use_regex;
};

/// Spaces become `replacement`, which also begins the words.
struct Metaspace final : PreTokenizerStep {
  enum class Prefix { always, first, never };

  void apply(NormalizedText& text, bool starts_text, std::vector<Piece>& pieces,
             std::vector<Piece>& out) const override {
    text.map([&](char32_t point) { return point == U' ' ? replacement : point; });
    if (prefix != Prefix::never) {
      prefix_pieces(text, pieces, replacement, [&](const Piece& piece) {
        const bool wanted = prefix == Prefix::always || (starts_text && piece.begin == 0);
        return wanted && text.points()[piece.begin] != replacement;
      });
    }
    for (const Piece& piece : pieces) {
      if (split) {
        const auto begins_word = [&](char32_t point) { return point == replacement; };
        cut(text.points(), piece, CutBehavior::merged_with_next, begins_word, out);
      } else {
        out.push_back(piece);
      }
    }
  }
  std::string describe() const override {
    return formatted("metaspace {} {} {}", static_cast<std::uint32_t>(replacement), static_cast<int>(prefix), split);
  }

  char32_t replacement = 0x2581;
  Prefix prefix = Prefix::always;
  bool split = true;
};

/// The steps in order, each on the pieces that the one before it left.
class PreTokenizer : public StepList<PreTokenizerStep> {
 public:
  /// Cuts `pieces` of `text`; `starts_text` tells whether it is the start of what the user gave; `spare` is scratch.
  void operator()(NormalizedText& text, bool starts_text, std::vector<Piece>& pieces, std::vector<Piece>& spare) const {
    for (const auto& step : steps_) {
      spare.clear();
      step->apply(text, starts_text, pieces, spare);
      pieces.swap(spare);
    }
  }
};

}  // namespace cloze::detail::text
