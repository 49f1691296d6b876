// Example: one row of a data set, as a template sees it.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include <cloze/core/ids.hpp>

namespace cloze {

/// One text or pair of texts, and its answer where it is known. Texts are UTF-8 and never interpreted: what looks like
/// a special token in them is text.
struct Example {
  std::string text_a;
  std::optional<std::string> text_b = {};        // second text of a pair
  std::map<std::string, std::string> meta = {};  // what {meta:key} shows
  std::optional<LabelId> label = {};             // class, in the task's order
  std::optional<float> score = {};               // regression target, in the task's units
  std::string source = {};                       // "file:line" for error messages; may be empty
};

/// How messages name an example: its source, or the beginning of its text.
inline std::string describe(const Example& example) {
  if (!example.source.empty()) return example.source;
  std::size_t cut = std::min<std::size_t>(example.text_a.size(), 40);
  while (cut < example.text_a.size() && cut > 0 && (static_cast<unsigned char>(example.text_a[cut]) & 0xC0) == 0x80)
    --cut;
  return "example \"" + example.text_a.substr(0, cut) + (cut < example.text_a.size() ? "…\"" : "\"");
}

}  // namespace cloze
