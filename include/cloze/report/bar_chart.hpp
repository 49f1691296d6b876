// bar_chart: groups of bars with error bars and a legend, as an SVG drawing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/report/svg.hpp>
#include <cloze/report/table.hpp>

namespace cloze {

struct Bar {
  double value = 0;
  double error = 0;  // drawn from value - error to value + error; 0: none
};

/// A legend entry: one bar in each group.
struct BarSeries {
  std::string name;
  std::vector<std::optional<Bar>> bars;  // [groups]; nothing: a gap
};

struct BarChart {
  std::string title;
  std::string y_label;
  std::vector<std::string> groups;
  std::vector<BarSeries> series;
};

/// Bars stand on zero, so that lengths compare; the drawing grows with their number. Hovering over a bar in a browser
/// tells its numbers. Errors: [cloze.report.3] no groups, no series, or a series without a place for each group;
/// [cloze.report.1] a value that is no finite number, or a negative error.
inline SvgDocument bar_chart(const BarChart& chart) {
  require(!chart.groups.empty() && !chart.series.empty(), "cloze.report.3",
          "a bar chart of {} groups and {} series: wanted at least one of each", chart.groups.size(),
          chart.series.size());
  double low = 0, high = 0;
  for (const BarSeries& series : chart.series) {
    require(series.bars.size() == chart.groups.size(), "cloze.report.3", "series \"{}\" has {} bars for {} groups",
            series.name, series.bars.size(), chart.groups.size());
    for (std::size_t group = 0; group < series.bars.size(); ++group) {
      if (!series.bars[group]) continue;
      const Bar& bar = *series.bars[group];
      require(std::isfinite(bar.value) && std::isfinite(bar.error) && bar.error >= 0, "cloze.report.1",
              "series \"{}\", group \"{}\": {} ± {} cannot be drawn", series.name, chart.groups[group], bar.value,
              bar.error);
      low = std::min(low, bar.value - bar.error);
      high = std::max(high, bar.value + bar.error);
    }
  }

  // Sizes in pixels; a letter of the 12-pixel font is about 6.5 wide.
  constexpr double bar_width = 14, between_groups = 18, letter = 6.5, legend_row = 20, left = 64, right = 20;
  const double group_width = bar_width * static_cast<double>(chart.series.size()) + between_groups;
  std::size_t longest = 0;
  for (const std::string& name : chart.groups) longest = std::max(longest, detail::columns_of(name));
  const bool slanted = letter * static_cast<double>(longest) > group_width;
  const double below = slanted ? 30 + 0.6 * letter * static_cast<double>(longest) : 34;
  const double plot_width = std::max(260.0, group_width * static_cast<double>(chart.groups.size()));
  const double width =
      std::max(left + plot_width + right, 24 + 8 * static_cast<double>(detail::columns_of(chart.title)));

  struct Entry {
    double x, row;
  };
  std::vector<Entry> legend;
  double x = left, row = 0;
  for (const BarSeries& series : chart.series) {
    const double wide = 32 + letter * static_cast<double>(detail::columns_of(series.name));
    if (x > left && x + wide > width - right) {
      x = left;
      ++row;
    }
    legend.push_back({x, row});
    x += wide;
  }
  const double top = 44 + legend_row * (row + 1);
  constexpr double plot_height = 260;

  SvgDocument svg(width, top + plot_height + below, chart.title);
  svg.text({12, 24}, chart.title, {.size = 15, .bold = true});
  for (std::size_t i = 0; i < legend.size(); ++i) {
    const double y = 40 + legend_row * legend[i].row;
    svg.rect(legend[i].x, y, 12, 12, series_color(i));
    svg.text({legend[i].x + 18, y + 10}, chart.series[i].name);
  }

  const Ticks ticks = nice_ticks(low, high);
  const PlotArea area{.left = left,
                      .top = top,
                      .width = plot_width,
                      .height = plot_height,
                      .y_low = ticks.low(),
                      .y_high = ticks.high()};
  area.draw_y_axis(svg, ticks, chart.y_label);
  const double slot = plot_width / static_cast<double>(chart.groups.size());
  for (std::size_t group = 0; group < chart.groups.size(); ++group) {
    const double middle = left + slot * (static_cast<double>(group) + 0.5);
    const double first = middle - bar_width * static_cast<double>(chart.series.size()) / 2;
    for (std::size_t i = 0; i < chart.series.size(); ++i) {
      if (!chart.series[i].bars[group]) continue;
      const Bar& bar = *chart.series[i].bars[group];
      const double bar_x = first + bar_width * static_cast<double>(i), y = area.y(bar.value), zero = area.y(0);
      svg.rect(bar_x + 1, std::min(y, zero), bar_width - 2, std::abs(zero - y), series_color(i),
               formatted("{}, {}: {:.4g}{}", chart.groups[group], chart.series[i].name, bar.value,
                         bar.error > 0 ? formatted(" ± {:.3g}", bar.error) : std::string()));
      if (bar.error == 0) continue;
      const double center = bar_x + bar_width / 2, from = area.y(bar.value - bar.error),
                   to = area.y(bar.value + bar.error);
      svg.line({center, from}, {center, to});
      svg.line({center - 3, from}, {center + 3, from});
      svg.line({center - 3, to}, {center + 3, to});
    }
    if (slanted) {
      svg.text({middle + 4, area.bottom() + 16}, chart.groups[group], {.anchor = SvgAnchor::end, .rotate = -35});
    } else {
      svg.text({middle, area.bottom() + 18}, chart.groups[group], {.anchor = SvgAnchor::middle});
    }
  }
  svg.line({left, area.y(0)}, {area.right(), area.y(0)}, {.color = "#555555"});
  return svg;
}

}  // namespace cloze
