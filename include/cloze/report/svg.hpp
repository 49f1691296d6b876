// SVG drawings: a document of lines, rectangles, circles and text; ticks at round numbers; a plot with its axes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>
#include <cloze/data/text_file.hpp>

namespace cloze {

namespace detail {

/// Text for XML 1.0: markup is escaped; bytes that are not UTF-8 and control characters, which XML cannot hold even
/// escaped, become U+FFFD.
inline std::string xml_text(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const std::size_t size = utf8_sequence(rest);
    const bool control = static_cast<unsigned char>(rest[0]) < 0x20 && rest[0] != '\t' && rest[0] != '\n';
    const bool no_character = rest.starts_with("\xEF\xBF\xBE") || rest.starts_with("\xEF\xBF\xBF");
    if (size == 0 || control || no_character) {
      out += "\xEF\xBF\xBD";
    } else if (rest[0] == '&') {
      out += "&amp;";
    } else if (rest[0] == '<') {
      out += "&lt;";
    } else if (rest[0] == '>') {
      out += "&gt;";
    } else if (rest[0] == '"') {
      out += "&quot;";
    } else {
      out += rest.substr(0, size);
    }
    at += std::max<std::size_t>(size, 1);
  }
  return out;
}

/// At most two decimals, none where there are none, never "-0".
inline std::string svg_number(double value) {
  std::string text = formatted("{:.2f}", value);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

}  // namespace detail

struct SvgPoint {
  double x = 0, y = 0;
};

struct SvgStroke {
  std::string color = "#333333";
  double width = 1;
  std::string dash = {};  // as in SVG: "4 3"; empty: solid
};

enum class SvgAnchor { start, middle, end };

struct SvgText {
  double size = 12;
  SvgAnchor anchor = SvgAnchor::start;  // which part of the text stands at x
  bool bold = false;
  double rotate = 0;  // degrees, clockwise, around (x, y)
  std::string color = "#222222";
};

/// Shapes in the order they were added, later ones above earlier ones. Units are pixels; y grows downwards. Any text
/// and any colour are safe: they are escaped. Errors, in every function: [cloze.report.1] a coordinate or size that is
/// no finite number.
class SvgDocument {
 public:
  /// `title` is what a screen reader and a browser's tooltip say.
  SvgDocument(double width, double height, std::string_view title) {
    head_ = formatted(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
        "font-family=\"Helvetica, Arial, sans-serif\" role=\"img\">\n<title>{2}</title>\n",
        number(width), number(height), detail::xml_text(title));
    rect(0, 0, width, height, "#ffffff");
  }

  void line(SvgPoint from, SvgPoint to, const SvgStroke& stroke = {}) {
    body_ += formatted("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}/>\n", number(from.x), number(from.y),
                       number(to.x), number(to.y), attributes(stroke));
  }

  /// A line through all points; fewer than two draw nothing.
  void polyline(std::span<const SvgPoint> points, const SvgStroke& stroke = {}) {
    if (points.size() < 2) return;
    std::string list;
    for (const SvgPoint& point : points)
      list += formatted("{}{},{}", list.empty() ? "" : " ", number(point.x), number(point.y));
    body_ += formatted("<polyline points=\"{}\" fill=\"none\"{}/>\n", list, attributes(stroke));
  }

  /// A filled shape without outline through all points; fewer than three draw nothing.
  void polygon(std::span<const SvgPoint> points, std::string_view fill, double opacity = 1) {
    if (points.size() < 3) return;
    std::string list;
    for (const SvgPoint& point : points)
      list += formatted("{}{},{}", list.empty() ? "" : " ", number(point.x), number(point.y));
    body_ += formatted("<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"{}\"/>\n", list, detail::xml_text(fill),
                       number(opacity));
  }

  /// `tooltip`, where it is not empty, is shown by browsers over the rectangle.
  void rect(double x, double y, double width, double height, std::string_view fill, std::string_view tooltip = {}) {
    body_ += formatted("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"", number(x), number(y),
                       number(width), number(height), detail::xml_text(fill));
    body_ += tooltip.empty() ? "/>\n" : formatted("><title>{}</title></rect>\n", detail::xml_text(tooltip));
  }

  void circle(SvgPoint center, double radius, std::string_view fill) {
    body_ += formatted("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"/>\n", number(center.x), number(center.y),
                       number(radius), detail::xml_text(fill));
  }

  /// `at` is on the text's base line.
  void text(SvgPoint at, std::string_view text, const SvgText& style = {}) {
    constexpr std::string_view anchors[] = {"start", "middle", "end"};
    body_ +=
        formatted("<text x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{}\" fill=\"{}\"", number(at.x), number(at.y),
                  number(style.size), anchors[static_cast<std::size_t>(style.anchor)], detail::xml_text(style.color));
    if (style.bold) body_ += " font-weight=\"bold\"";
    if (style.rotate != 0)
      body_ += formatted(" transform=\"rotate({} {} {})\"", number(style.rotate), number(at.x), number(at.y));
    body_ += formatted(">{}</text>\n", detail::xml_text(text));
  }

  /// The whole file.
  std::string str() const { return head_ + body_ + "</svg>\n"; }
  /// Errors: write_file_atomically's.
  void write(const std::filesystem::path& path) const { write_file_atomically(path, str()); }

 private:
  static std::string number(double value) {
    require(std::abs(value) < 1e9, "cloze.report.1", "a drawing with a coordinate of {}: wanted a number below 1e9",
            value);
    return detail::svg_number(value);
  }
  static std::string attributes(const SvgStroke& stroke) {
    std::string text =
        formatted(" stroke=\"{}\" stroke-width=\"{}\"", detail::xml_text(stroke.color), number(stroke.width));
    if (!stroke.dash.empty()) text += formatted(" stroke-dasharray=\"{}\"", detail::xml_text(stroke.dash));
    return text;
  }

  std::string head_, body_;
};

/// Round numbers (1, 2 or 5 times a power of ten apart) that cover an interval.
struct Ticks {
  std::vector<double> values;  // rising; the first is at or below the interval, the last at or above
  double step = 1;

  double low() const { return values.front(); }
  double high() const { return values.back(); }
  /// A tick as text, with the decimals that the step needs.
  std::string text(double value) const {
    const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 17);
    const bool plain = step > 1e-6 && std::abs(low()) < 1e7 && std::abs(high()) < 1e7;
    if (!plain) return formatted("{:g}", value);
    const std::string text = formatted("{:.{}f}", value, decimals);
    return text.find_first_not_of("-0.") == std::string::npos ? text.substr(text.starts_with('-') ? 1 : 0) : text;
  }
};

/// About `wanted` ticks (at least 2). An interval of one point, or too narrow to be told apart at its place, is
/// widened. Errors: [cloze.report.1] an end that is no number below 1e300, or low above high.
inline Ticks nice_ticks(double low, double high, int wanted = 6) {
  require(std::abs(low) < 1e300 && std::abs(high) < 1e300 && low <= high, "cloze.report.1",
          "an axis from {} to {}: wanted two numbers below 1e300, the first not above the second", low, high);
  const double size = std::max(std::abs(low), std::abs(high));
  const double narrowest = size == 0 ? 1e-300 : size * 1e-9;
  if (high - low < narrowest) {
    const double margin = size == 0 ? 0.5 : size / 10;
    low -= margin;
    high += margin;
  }
  const double rough = (high - low) / std::max(1, wanted - 1);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  Ticks ticks;
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    ticks.step = factor * power;
    if (ticks.step >= rough * (1 - 1e-9)) break;
  }
  // Counted in whole steps, so that rounding does not pile up. A little slack keeps 0.3 from being above 3 * 0.1.
  const double first = std::floor(low / ticks.step + 1e-9), last = std::ceil(high / ticks.step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.values.push_back(i * ticks.step);
  if (ticks.values.size() < 2) ticks.values.push_back((first + 1) * ticks.step);
  return ticks;
}

/// The rectangle that data are drawn in, and the two scales. Draw the axes first and the data above them.
struct PlotArea {
  double left = 0, top = 0, width = 0, height = 0;
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1;

  double bottom() const { return top + height; }
  double right() const { return left + width; }
  double x(double value) const { return left + (value - x_low) / (x_high - x_low) * width; }
  double y(double value) const { return bottom() - (value - y_low) / (y_high - y_low) * height; }
  SvgPoint at(double x_value, double y_value) const { return {x(x_value), y(y_value)}; }

  /// Grid lines, numbers and the axis' name at the left.
  void draw_y_axis(SvgDocument& svg, const Ticks& ticks, std::string_view label) const {
    for (const double value : ticks.values) {
      svg.line({left, y(value)}, {right(), y(value)}, {.color = value == 0 ? "#888888" : "#dddddd"});
      svg.text({left - 6, y(value) + 4}, ticks.text(value), {.size = 11, .anchor = SvgAnchor::end});
    }
    svg.line({left, top}, {left, bottom()}, {.color = "#888888"});
    svg.text({left - 44, top + height / 2}, label, {.anchor = SvgAnchor::middle, .rotate = -90});
  }

  /// Small marks, numbers and the axis' name below.
  void draw_x_axis(SvgDocument& svg, const Ticks& ticks, std::string_view label) const {
    for (const double value : ticks.values) {
      svg.line({x(value), bottom()}, {x(value), bottom() + 4}, {.color = "#888888"});
      svg.text({x(value), bottom() + 17}, ticks.text(value), {.size = 11, .anchor = SvgAnchor::middle});
    }
    svg.line({left, bottom()}, {right(), bottom()}, {.color = "#888888"});
    svg.text({left + width / 2, bottom() + 36}, label, {.anchor = SvgAnchor::middle});
  }
};

/// The colour of the i-th series: eight that stay apart for colour-blind readers (Okabe and Ito, 2008), then again.
inline std::string_view series_color(std::size_t i) {
  constexpr std::string_view colors[] = {"#0072B2", "#E69F00", "#009E73", "#D55E00",
                                         "#CC79A7", "#56B4E9", "#999999", "#F0E442"};
  return colors[i % std::size(colors)];
}

}  // namespace cloze
