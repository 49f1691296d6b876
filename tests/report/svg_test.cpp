#include <cloze/report/svg.hpp>

#include <limits>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an SVG document holds its shapes in order, with round numbers") {
  SvgDocument svg(200, 100, "a drawing");
  svg.line({0, 1.5}, {10, 1.0 / 3}, {.dash = "4 3"});
  svg.rect(1, 2, 3, 4, "#ff0000", "a tip");
  svg.circle({5, 5}, 2, "#00ff00");
  svg.text({7, 8}, "words", {.anchor = SvgAnchor::end, .bold = true, .rotate = -90});
  const std::string file = svg.str();
  CHECK(file.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"100\""));
  CHECK(contains(file, "<title>a drawing</title>"));
  CHECK(contains(file,
                 "<line x1=\"0\" y1=\"1.5\" x2=\"10\" y2=\"0.33\" stroke=\"#333333\" stroke-width=\"1\" "
                 "stroke-dasharray=\"4 3\"/>"));
  CHECK(contains(file, "<rect x=\"1\" y=\"2\" width=\"3\" height=\"4\" fill=\"#ff0000\"><title>a tip</title></rect>"));
  CHECK(
      contains(file, "text-anchor=\"end\" fill=\"#222222\" font-weight=\"bold\" transform=\"rotate(-90 7 8)\">words<"));
  CHECK(file.find("<line") < file.find("<circle"));
  CHECK(file.ends_with("</svg>\n"));
}

TEST_CASE("text of an SVG document is escaped, and what XML cannot hold is replaced") {
  SvgDocument svg(10, 10, "a < b & \"c\"");
  svg.text({0, 0}, "]]> \x01 \xff caf\xC3\xA9 \xEF\xBF\xBF </text><script>");
  svg.rect(0, 0, 1, 1, "red\" onclick=\"x");
  const std::string file = svg.str();
  CHECK(contains(file, "<title>a &lt; b &amp; &quot;c&quot;</title>"));
  CHECK(
      contains(file, ">]]&gt; \xEF\xBF\xBD \xEF\xBF\xBD caf\xC3\xA9 \xEF\xBF\xBD &lt;/text&gt;&lt;script&gt;</text>"));
  CHECK(contains(file, "fill=\"red&quot; onclick=&quot;x\""));
}

TEST_CASE("lines of fewer than two points and areas of fewer than three draw nothing") {
  SvgDocument svg(10, 10, "");
  const std::string before = svg.str();
  const SvgPoint points[] = {{1, 1}, {2, 2}, {3, 1}};
  svg.polyline({points, 1});
  svg.polygon({points, 2}, "red");
  CHECK(svg.str() == before);
  svg.polyline(points);
  svg.polygon(points, "red", 0.5);
  CHECK(contains(svg.str(), "points=\"1,1 2,2 3,1\" fill=\"none\""));
  CHECK(contains(svg.str(), "fill-opacity=\"0.5\""));
}

TEST_CASE("an SVG file replaces the old one whole") {
  const test::TemporaryFolder folder;
  const auto path = folder.write("a.svg", "old");
  const SvgDocument svg(10, 10, "new");
  svg.write(path);
  CHECK(read_file(path) == svg.str());
  REQUIRE_ERROR(svg.write(folder.path() / "none" / "a.svg"), "cloze.file.3");
}

TEST_CASE("a coordinate that is no finite number is an error") {
  SvgDocument svg(10, 10, "");
  REQUIRE_ERROR(svg.line({0, std::numeric_limits<double>::quiet_NaN()}, {1, 1}), "cloze.report.1");
  REQUIRE_ERROR(svg.circle({0, 0}, std::numeric_limits<double>::infinity(), "red"), "cloze.report.1");
  REQUIRE_ERROR(SvgDocument(1e300, 10, ""), "cloze.report.1");
}

TEST_CASE("ticks are round numbers that cover the interval") {
  const auto check = [](double low, double high) {
    const Ticks ticks = nice_ticks(low, high);
    CAPTURE(low, high, ticks.step);
    CHECK(ticks.low() <= low + 1e-9 * ticks.step);
    CHECK(ticks.high() >= high - 1e-9 * ticks.step);
    CHECK(ticks.values.size() >= 2);
    CHECK(ticks.values.size() <= 12);
    const double mantissa = ticks.step / std::pow(10.0, std::floor(std::log10(ticks.step) + 1e-9));
    const bool round = std::abs(mantissa - 1) < 1e-6 || std::abs(mantissa - 2) < 1e-6 || std::abs(mantissa - 5) < 1e-6;
    CHECK(round);
  };
  const double ends[] = {-1e299, -1234.5, -1, -1e-7, 0, 1e-12, 0.3, 0.7, 1, 12, 97, 100, 1e7, 1e299};
  for (const double low : ends)
    for (const double high : ends)
      if (low <= high) check(low, high);
  check(1e12, 1e12 + 1e-3);  // too narrow for its place: widened
  CHECK(nice_ticks(0, 100).values == std::vector<double>{0, 20, 40, 60, 80, 100});
  CHECK(nice_ticks(0, 0.3, 4).values.size() == 4);
  CHECK(nice_ticks(0, 1).text(0.6000000000000001) == "0.6");
  CHECK(nice_ticks(-0.4, 0.4).text(-1e-17) == "0.0");
  CHECK(nice_ticks(0, 100).text(40) == "40");
  CHECK(nice_ticks(0, 1e9).text(2e8) == "2e+08");
  REQUIRE_ERROR(nice_ticks(1, 0), "cloze.report.1");
  REQUIRE_ERROR(nice_ticks(0, std::numeric_limits<double>::infinity()), "cloze.report.1");
  REQUIRE_ERROR(nice_ticks(std::numeric_limits<double>::quiet_NaN(), 1), "cloze.report.1");
}

TEST_CASE("a plot area maps data to pixels, y upwards") {
  const PlotArea area{.left = 50, .top = 10, .width = 100, .height = 200, .x_low = -1, .x_high = 1, .y_high = 10};
  CHECK(area.x(-1) == 50);
  CHECK(area.x(0) == 100);
  CHECK(area.y(0) == 210);
  CHECK(area.y(10) == 10);
  SvgDocument svg(200, 250, "");
  area.draw_x_axis(svg, nice_ticks(-1, 1), "x");
  area.draw_y_axis(svg, nice_ticks(0, 10), "y");
  CHECK(contains(svg.str(), ">-0.5</text>"));
  CHECK(contains(svg.str(), ">10</text>"));
}
