// line_chart: curves with a legend, as an SVG drawing; pretraining_curves: a long run's logs, drawn.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/report/svg.hpp>
#include <cloze/report/table.hpp>
#include <cloze/train/tsv_log.hpp>

namespace cloze {

/// A curve. A point that is not finite is a gap.
struct LineSeries {
  std::string name;
  std::vector<double> x, y;  // of one length
};

struct LineChart {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<LineSeries> series;
};

namespace detail {

inline constexpr std::size_t most_line_points = 1000;  // more than pixels, so what is averaged cannot be seen

/// Runs of neighbouring points as their mean, where a curve has more points than can be seen.
inline LineSeries thinned(const LineSeries& series) {
  const std::size_t share = (series.x.size() + most_line_points - 1) / most_line_points;
  if (share <= 1) return series;
  LineSeries thin{series.name, {}, {}};
  for (std::size_t begin = 0; begin < series.x.size(); begin += share) {
    const std::size_t end = std::min(begin + share, series.x.size());
    double x = 0, y = 0;
    for (std::size_t i = begin; i < end; ++i) x += series.x[i], y += series.y[i];
    thin.x.push_back(x / static_cast<double>(end - begin));
    thin.y.push_back(y / static_cast<double>(end - begin));
  }
  return thin;
}

}  // namespace detail

/// Both axes show what the points need and no zero for its own sake: differences of a loss are small. Errors:
/// [cloze.report.4] no point that can be drawn, or a series whose x and y differ in length; [cloze.report.1] numbers
/// of 1e300 and more.
inline SvgDocument line_chart(const LineChart& chart) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  double x_low = infinite, x_high = -infinite, y_low = infinite, y_high = -infinite;
  for (const LineSeries& series : chart.series) {
    require(series.x.size() == series.y.size(), "cloze.report.4", "series \"{}\" has {} x and {} y", series.name,
            series.x.size(), series.y.size());
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
      x_low = std::min(x_low, series.x[i]), x_high = std::max(x_high, series.x[i]);
      y_low = std::min(y_low, series.y[i]), y_high = std::max(y_high, series.y[i]);
    }
  }
  require(x_low <= x_high, "cloze.report.4", "\"{}\": no point that can be drawn", chart.title);

  constexpr double left = 64, width = 720, height = 300, right = 190, letter = 6.5, top = 44;
  double legend = right;
  for (const LineSeries& series : chart.series)
    legend = std::max(legend, 40 + letter * static_cast<double>(detail::columns_of(series.name)));
  const double rows = 20 * static_cast<double>(chart.series.size());
  SvgDocument svg(left + width + legend, top + std::max(height, rows) + 50, chart.title);
  svg.text({12, 24}, chart.title, {.size = 15, .bold = true});
  const Ticks x_ticks = nice_ticks(x_low, x_high), y_ticks = nice_ticks(y_low, y_high);
  const PlotArea area{.left = left,
                      .top = top,
                      .width = width,
                      .height = height,
                      .x_low = x_ticks.low(),
                      .x_high = x_ticks.high(),
                      .y_low = y_ticks.low(),
                      .y_high = y_ticks.high()};
  area.draw_y_axis(svg, y_ticks, chart.y_label);
  area.draw_x_axis(svg, x_ticks, chart.x_label);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const SvgStroke stroke{.color = std::string(series_color(i)), .width = 1.6};
    const LineSeries series = detail::thinned(chart.series[i]);
    std::vector<SvgPoint> points;
    const auto draw = [&] {
      svg.polyline(points, stroke);
      if (points.size() == 1) svg.circle(points[0], 2, stroke.color);
      points.clear();
    };
    for (std::size_t k = 0; k < series.x.size(); ++k) {
      if (std::isfinite(series.x[k]) && std::isfinite(series.y[k])) {
        points.push_back(area.at(series.x[k], series.y[k]));
      } else {
        draw();
      }
    }
    draw();
    const double y = top + 8 + 20 * static_cast<double>(i);
    svg.line({area.right() + 16, y}, {area.right() + 34, y}, {.color = stroke.color, .width = 3});
    svg.text({area.right() + 40, y + 4}, series.name);
  }
  return svg;
}

/// The curves of the logs that pretrain() leaves in a run's folder: the training loss, and the held-out losses of each
/// corpus, over tokens; nothing where there is no row yet. Writes loss.svg beside them. Errors: read_tsv_log's,
/// write_file_atomically's.
inline void pretraining_curves(const std::filesystem::path& folder, const std::string& title = "Masked-LM loss") {
  LineChart chart{title, "million tokens", "loss", {}};
  const auto add = [&](const NumberTable& table, const std::string& column, const std::string& name) {
    LineSeries series{name, table["tokens"], table[column]};
    for (double& x : series.x) x /= 1e6;
    if (!series.x.empty()) chart.series.push_back(std::move(series));
  };
  if (std::filesystem::exists(folder / "log.tsv")) add(read_tsv_log(folder / "log.tsv"), "loss", "training");
  if (std::filesystem::exists(folder / "heldout.tsv")) {
    const NumberTable held = read_tsv_log(folder / "heldout.tsv");
    for (std::size_t i = 2; i < held.names.size(); ++i) add(held, held.names[i], held.names[i] + ", held out");
  }
  if (!chart.series.empty()) line_chart(chart).write(folder / "loss.svg");
}

}  // namespace cloze
