// Normalizers: what is done to a text before it is cut into words. A list of steps, each named as in tokenizer.json.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/charsmap.hpp>
#include <cloze/text/normal_form.hpp>
#include <cloze/text/normalized_text.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail::text {

struct Lowercase {};
struct StripAccents {};

struct BertNormalizer {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;  // in the files it may be null: then as lowercase
  bool lowercase = true;
};

struct Strip {
  bool left = true;
  bool right = true;
};

struct Prepend {
  std::u32string text;
};

/// Replaces every occurrence of `pattern`; or, where `space_run`, every run of two or more spaces.
struct Replace {
  std::u32string pattern;
  std::u32string content;
  bool space_run = false;
};

struct Precompiled {
  std::shared_ptr<const Charsmap> charsmap;
};

using NormalizerStep =
    std::variant<BertNormalizer, NormalForm, Lowercase, StripAccents, Strip, Prepend, Replace, Precompiled>;

inline void apply(NormalizedText& text, const Lowercase&) {
  bool dotted = false;
  text.map([&](char32_t point) {
    dotted = dotted || point == 0x130;
    return point == 0x130 ? point : lower_case(point);
  });
  if (!dotted) return;
  std::vector<Rewrite> rewrites;
  rewrites.reserve(text.size() + 4);
  for (const char32_t point : text.points()) {
    rewrites.push_back({point == 0x130 ? U'i' : point, 0});
    if (point == 0x130) rewrites.push_back({0x307, 1});
  }
  text.rewrite(rewrites);
}

inline void apply(NormalizedText& text, const StripAccents&) { text.remove_if(is_mark); }

inline void apply(NormalizedText& text, const NormalForm& form) { normalize(text, form); }

inline void apply(NormalizedText& text, const BertNormalizer& bert) {
  const bool ascii = text.all_below(0x80);
  if (bert.clean_text) {
    text.remove_if([](char32_t point) { return point == 0 || point == 0xFFFD || is_control(point); });
    text.map([](char32_t point) { return is_space(point) ? U' ' : point; });
  }
  if (bert.handle_chinese_chars && !ascii && !text.all_below(0x3400)) {
    std::vector<Rewrite> rewrites;
    rewrites.reserve(text.size() + text.size() / 2);
    for (const char32_t point : text.points()) {
      if (is_cjk(point)) {
        rewrites.insert(rewrites.end(), {{U' ', 0}, {point, 1}, {U' ', 1}});
      } else {
        rewrites.push_back({point, 0});
      }
    }
    text.rewrite(rewrites);
  }
  if (bert.strip_accents && !ascii) {
    normalize(text, NormalForm{});
    text.remove_if(is_nonspacing_mark);
  }
  if (bert.lowercase) apply(text, Lowercase{});
}

inline void apply(NormalizedText& text, const Strip& strip) {
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (strip.left && begin < end && is_space(text.points()[begin])) ++begin;
  while (strip.right && end > begin && is_space(text.points()[end - 1])) --end;
  if (begin > 0 || end < text.size()) text.keep(begin, end);
}

inline void apply(NormalizedText& text, const Prepend& prepend) {
  if (text.size() > 0) text.insert_each({0}, prepend.text);
}

inline void apply(NormalizedText& text, const Replace& replace) {
  const std::u32string& points = text.points();
  const auto match = [&](std::size_t at) -> std::size_t {
    if (!replace.space_run)
      return points.compare(at, replace.pattern.size(), replace.pattern) == 0 ? replace.pattern.size() : 0;
    std::size_t end = at;
    while (end < points.size() && points[end] == U' ') ++end;
    return end - at >= 2 ? end - at : 0;
  };
  std::vector<Rewrite> rewrites;
  std::size_t skipped = 0;
  bool found = false;
  for (std::size_t at = 0; at < points.size();) {
    const std::size_t length = match(at);
    if (length == 0) {
      rewrites.push_back({points[at++], 0, std::exchange(skipped, 0)});
      continue;
    }
    found = true;
    at += length;
    skipped += length;
    for (const char32_t point : replace.content) rewrites.push_back({point, 1, std::exchange(skipped, 0)});
  }
  if (found) text.rewrite(rewrites);
}

inline void apply(NormalizedText& text, const Precompiled& precompiled) { normalize(text, *precompiled.charsmap); }

/// The steps in order.
class Normalizer {
 public:
  void add(NormalizerStep step) { steps_.push_back(std::move(step)); }

  void operator()(NormalizedText& text) const {
    for (const NormalizerStep& step : steps_) std::visit([&](const auto& s) { apply(text, s); }, step);
  }

  const std::vector<NormalizerStep>& steps() const { return steps_; }

  /// Everything that decides what the normalizer does, as text (for the content hash).
  std::string describe() const {
    std::string all;
    for (const NormalizerStep& step : steps_) all += std::visit([](const auto& s) { return describe(s); }, step) + ";";
    return all;
  }

 private:
  static std::string describe(const BertNormalizer& s) {
    return formatted("bert {} {} {} {}", s.clean_text, s.handle_chinese_chars, s.strip_accents, s.lowercase);
  }
  static std::string describe(const NormalForm& s) { return formatted("form {} {}", s.compatibility, s.composed); }
  static std::string describe(const Lowercase&) { return "lowercase"; }
  static std::string describe(const StripAccents&) { return "strip_accents"; }
  static std::string describe(const Strip& s) { return formatted("strip {} {}", s.left, s.right); }
  static std::string describe(const Prepend& s) { return "prepend " + to_utf8(s.text); }
  static std::string describe(const Replace& s) {
    return formatted("replace {} {} by {}", s.space_run, to_utf8(s.pattern), to_utf8(s.content));
  }
  static std::string describe(const Precompiled& s) { return formatted("precompiled {}", s.charsmap->strings()); }

  std::vector<NormalizerStep> steps_;
};

}  // namespace cloze::detail::text
