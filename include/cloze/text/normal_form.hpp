// The Unicode normal forms NFC, NFD, NFKC and NFKD, keeping track of where each code point came from.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include <cloze/text/normalized_text.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail::text {

struct NormalForm {
  bool compatibility = false;  // NFKC, NFKD
  bool composed = false;       // NFC, NFKC
};

/// A decomposed code point on its way to its place.
struct FormPoint {
  char32_t point;
  int change;
  int combining_class;
};

inline std::vector<FormPoint> decompose(const std::u32string& points, bool compatibility) {
  std::vector<FormPoint> parts;
  parts.reserve(points.size() + points.size() / 8);
  std::array<char32_t, max_decomposition> out{};
  for (const char32_t point : points) {
    const int count = decompose_point(point, compatibility, out);
    for (int i = 0; i < count; ++i) {
      const char32_t part = out[static_cast<std::size_t>(i)];
      parts.push_back({part, i == 0 ? 0 : 1, combining_class(part)});
    }
  }
  // Marks after one starter go in the order of their classes; equal classes keep theirs.
  for (auto at = parts.begin(); at != parts.end();) {
    if (at->combining_class == 0) {
      ++at;
      continue;
    }
    const auto end = std::find_if(at, parts.end(), [](const FormPoint& part) { return part.combining_class == 0; });
    std::stable_sort(at, end,
                     [](const FormPoint& a, const FormPoint& b) { return a.combining_class < b.combining_class; });
    at = end;
  }
  return parts;
}

/// Canonical composition in place (the Unicode Standard, section 3.11).
inline void compose(std::vector<FormPoint>& parts) {
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t starter = none;
  std::size_t kept = 0;
  int last_class = -1;  // class of the last kept part after the starter; -1: none
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const FormPoint part = parts[i];
    if (starter != none && last_class < part.combining_class) {
      const char32_t composed = compose_pair(parts[starter].point, part.point);
      if (composed != 0) {
        parts[starter].point = composed;
        parts[starter].change += part.change - 1;
        continue;
      }
    }
    if (part.combining_class == 0) {
      starter = kept;
      last_class = -1;
    } else {
      last_class = part.combining_class;
    }
    parts[kept++] = part;
  }
  parts.resize(kept);
}

inline void normalize(NormalizedText& text, NormalForm form) {
  // Below these bounds every code point is its own normal form and no two compose.
  const char32_t unchanged = form.compatibility ? 0xA0 : form.composed ? 0x300 : 0xC0;
  if (text.all_below(unchanged)) return;
  std::vector<FormPoint> parts = decompose(text.points(), form.compatibility);
  if (form.composed) compose(parts);
  std::vector<Rewrite> rewrites;
  rewrites.reserve(parts.size());
  for (const FormPoint& part : parts) rewrites.push_back({part.point, part.change});
  text.rewrite(rewrites);
}

}  // namespace cloze::detail::text
