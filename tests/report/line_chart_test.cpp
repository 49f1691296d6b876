#include <cloze/report/line_chart.hpp>

#include <regex>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("a curve stands where its numbers are, and gaps break it") {
  const double nan = std::nan("");
  const std::string svg =
      line_chart(
          {"T & <t>", "x", "y", {{"a", {0, 1, 2, 3, 4}, {0, 10, nan, 5, 10}}, {"b", {0, 4}, {10, 0}}, {"c", {2}, {5}}}})
          .str();
  CHECK(count(svg, "<polyline") == 3);
  CHECK(count(svg, "<circle") == 1);
  CHECK(svg.find("T &amp; &lt;t&gt;") != svg.npos);
  // 0…4 over 720 pixels from 64 on, 0…10 over 300 pixels from 44 down.
  CHECK(svg.find("points=\"64,344 244,44\"") != svg.npos);
  CHECK(svg.find("points=\"604,194 784,44\"") != svg.npos);
  CHECK(svg.find("points=\"64,44 784,344\"") != svg.npos);
}

TEST_CASE("a long curve is drawn with no more points than can be seen, its mean unchanged") {
  LineSeries series{"long", {}, {}};
  for (int i = 0; i < 100000; ++i) series.x.push_back(i), series.y.push_back(i % 2);
  const std::string svg = line_chart({"t", "x", "y", {series, {"line", {0, 1}, {0, 1}}}}).str();
  CHECK(svg.size() < 60000);
  CHECK(count(svg, ",194 ") > 900);  // one half everywhere
}

TEST_CASE("nothing to draw is an error") {
  REQUIRE_ERROR(line_chart({"t", "x", "y", {}}), "cloze.report.4");
  REQUIRE_ERROR(line_chart({"t", "x", "y", {{"a", {1, 2}, {std::nan(""), INFINITY}}}}), "cloze.report.4");
  REQUIRE_ERROR(line_chart({"t", "x", "y", {{"a", {1, 2}, {1}}}}), "cloze.report.4");
  CHECK_NOTHROW(line_chart({"t", "x", "y", {{"a", {1}, {1}}}}));
}

TEST_CASE("a run's logs become a drawing, and an empty run none") {
  const test::TemporaryFolder folder;
  pretraining_curves(folder.path());
  CHECK(!std::filesystem::exists(folder.path() / "loss.svg"));
  TsvLog log(folder.path() / "log.tsv", {"step", "tokens", "loss"});
  pretraining_curves(folder.path());
  CHECK(!std::filesystem::exists(folder.path() / "loss.svg"));
  log.add({1, 1000, 5});
  log.add({2, 2000, 4});
  TsvLog held(folder.path() / "heldout.tsv", {"step", "tokens", "books"});
  held.add({2, 2000, 4.5});
  pretraining_curves(folder.path());
  const std::string svg = read_file(folder.path() / "loss.svg");
  CHECK(svg.find("books, held out") != svg.npos);
  CHECK(svg.find("training") != svg.npos);
}
