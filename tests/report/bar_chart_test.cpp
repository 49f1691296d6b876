#include <cloze/report/bar_chart.hpp>

#include <limits>

#include "support/catch.hpp"

using namespace cloze;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// The value of an attribute of the element that holds this tooltip.
double attribute(const std::string& file, const std::string& tooltip, const std::string& name) {
  const std::size_t tip = file.find("<title>" + tooltip);
  REQUIRE(tip != std::string::npos);
  const std::size_t begin = file.rfind('<', tip - 1), at = file.find(" " + name + "=\"", begin) + name.size() + 3;
  REQUIRE(at < tip);
  return std::stod(file.substr(at));
}

}  // namespace

TEST_CASE("bars stand on zero, in proportion, with error bars and a legend") {
  const BarChart chart{.title = "two & three",
                       .y_label = "score",
                       .groups = {"one", "two"},
                       .series = {{"plain", {Bar{40}, Bar{-20}}}, {"with error", {Bar{80, 5}, std::nullopt}}}};
  const std::string file = bar_chart(chart).str();
  const double forty = attribute(file, "one, plain: 40", "height");
  CHECK(std::abs(attribute(file, "one, with error: 80 ± 5", "height") - 2 * forty) < 0.05);
  CHECK(std::abs(attribute(file, "two, plain: -20", "height") - forty / 2) < 0.05);
  const double zero = attribute(file, "one, plain: 40", "y") + forty;
  CHECK(std::abs(attribute(file, "two, plain: -20", "y") - zero) < 0.05);  // hangs below the line
  CHECK(count(file, "<title>") == 4);                                      // the drawing's, and a bar each
  CHECK(count(file, ">with error</text>") == 1);
  CHECK(count(file, "two &amp; three") == 2);
  CHECK(attribute(file, "one, with error", "x") > attribute(file, "one, plain", "x"));
  CHECK(attribute(file, "two, plain", "x") > attribute(file, "one, with error", "x"));
}

TEST_CASE("a bar chart grows with its groups, and long names are slanted") {
  BarChart chart{.title = "t", .y_label = "y", .groups = {}, .series = {{"a", {}}}};
  for (int i = 0; i < 300; ++i) {
    chart.groups.push_back("a task with a long name " + std::to_string(i));
    chart.series[0].bars.push_back(Bar{static_cast<double>(i)});
  }
  const std::string file = bar_chart(chart).str();
  CHECK(count(file, "rotate(-35") == 300);
  CHECK(std::stod(file.substr(file.find("width=\"") + 7)) > 300 * 20);
}

TEST_CASE("a chart of zeros, or of gaps only, is drawn") {
  const std::string zeros = bar_chart({"t", "y", {"g"}, {{"s", {Bar{0}}}}}).str();
  CHECK(count(zeros, "g, s: 0<") == 1);
  CHECK(count(bar_chart({"t", "y", {"g"}, {{"s", {std::nullopt}}}}).str(), "<title>") == 1);
}

TEST_CASE("a bar chart refuses what it cannot draw") {
  REQUIRE_ERROR(bar_chart({"t", "y", {}, {{"s", {}}}}), "cloze.report.3");
  REQUIRE_ERROR(bar_chart({"t", "y", {"g"}, {}}), "cloze.report.3");
  REQUIRE_ERROR(bar_chart({"t", "y", {"g"}, {{"s", {}}}}), "cloze.report.3");
  REQUIRE_ERROR(bar_chart({"t", "y", {"g"}, {{"s", {Bar{std::numeric_limits<double>::quiet_NaN()}}}}}),
                "cloze.report.1");
  REQUIRE_ERROR(bar_chart({"t", "y", {"g"}, {{"s", {Bar{1, -1}}}}}), "cloze.report.1");
}
