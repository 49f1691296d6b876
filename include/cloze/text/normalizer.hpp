// Normalizers: what is done to a text before it is cut into words. A list of steps, each named as in tokenizer.json.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/charsmap.hpp>
#include <cloze/text/normal_form.hpp>
#include <cloze/text/normalized_text.hpp>
#include <cloze/text/step_list.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail::text {

/// One step of a normalizer.
class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;
  virtual void apply(NormalizedText& text) const = 0;
  virtual std::string describe() const = 0;
};

struct Lowercase final : NormalizerStep {
  void apply(NormalizedText& text) const override {
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
  std::string describe() const override { return "lowercase"; }
};

struct StripAccents final : NormalizerStep {
  void apply(NormalizedText& text) const override { text.remove_if(is_mark); }
  std::string describe() const override { return "strip_accents"; }
};

/// NFC, NFD, NFKC and NFKD.
struct UnicodeForm final : NormalizerStep {
  explicit UnicodeForm(NormalForm to) : form(to) {}

  void apply(NormalizedText& text) const override { normalize(text, form); }
  std::string describe() const override { return formatted("form {} {}", form.compatibility, form.composed); }

  NormalForm form;
};

struct BertNormalizer final : NormalizerStep {
  void apply(NormalizedText& text) const override {
    const bool ascii = text.all_below(0x80);
    if (clean_text) {
      text.remove_if([](char32_t point) { return point == 0 || point == 0xFFFD || is_control(point); });
      text.map([](char32_t point) { return is_space(point) ? U' ' : point; });
    }
    if (handle_chinese_chars && !ascii && !text.all_below(0x3400)) {
      std::vector<Rewrite> rewrites;
      rewrites.reserve(text.size() + text.size() / 2);
      for (const char32_t point : text.points()) {
        const bool cjk = is_cjk(point);
        if (cjk) rewrites.push_back({U' ', 0});
        rewrites.push_back({point, cjk ? 1 : 0});
        if (cjk) rewrites.push_back({U' ', 1});
      }
      text.rewrite(rewrites);
    }
    if (strip_accents && !ascii) {
      normalize(text, NormalForm{});
      text.remove_if(is_nonspacing_mark);
    }
    if (lowercase) Lowercase().apply(text);
  }
  std::string describe() const override {
    return formatted("bert {} {} {} {}", clean_text, handle_chinese_chars, strip_accents, lowercase);
  }

  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;  // in the files it may be null: then as lowercase
  bool lowercase = true;
};

struct Strip final : NormalizerStep {
  Strip(bool at_left, bool at_right) : left(at_left), right(at_right) {}

  void apply(NormalizedText& text) const override {
    std::size_t begin = 0;
    std::size_t end = text.size();
    while (left && begin < end && is_space(text.points()[begin])) ++begin;
    while (right && end > begin && is_space(text.points()[end - 1])) --end;
    if (begin > 0 || end < text.size()) text.keep(begin, end);
  }
  std::string describe() const override { return formatted("strip {} {}", left, right); }

  bool left;
  bool right;
};

struct Prepend final : NormalizerStep {
  explicit Prepend(std::u32string prefix) : text(std::move(prefix)) {}

  void apply(NormalizedText& to) const override {
    if (to.size() > 0) to.insert_each({0}, text);
  }
  std::string describe() const override { return "prepend " + to_utf8(text); }

  std::u32string text;
};

/// Replaces every occurrence of `pattern`; or, where `space_run`, every run of two or more spaces.
struct Replace final : NormalizerStep {
  void apply(NormalizedText& text) const override {
    const std::u32string& points = text.points();
    const auto match = [&](std::size_t at) -> std::size_t {
      if (!space_run) return points.compare(at, pattern.size(), pattern) == 0 ? pattern.size() : 0;
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
      for (const char32_t point : content) rewrites.push_back({point, 1, std::exchange(skipped, 0)});
    }
    if (found) text.rewrite(rewrites);
  }
  std::string describe() const override {
    return formatted("replace {} {} by {}", space_run, to_utf8(pattern), to_utf8(content));
  }

  std::u32string pattern;
  std::u32string content;
  bool space_run = false;
};

struct Precompiled final : NormalizerStep {
  explicit Precompiled(Charsmap map) : charsmap(std::move(map)) {}

  void apply(NormalizedText& text) const override { normalize(text, charsmap); }
  std::string describe() const override { return formatted("precompiled {}", charsmap.strings()); }

  Charsmap charsmap;
};

/// The steps in order.
class Normalizer : public StepList<NormalizerStep> {
 public:
  void operator()(NormalizedText& text) const {
    for (const auto& step : steps_) step->apply(text);
  }
};

}  // namespace cloze::detail::text
