#include <cloze/report/table.hpp>

#include "support/catch.hpp"

using namespace cloze;

TEST_CASE("a table is aligned as text, Markdown and CSV") {
  Table table({"task", "score", "n"});
  table.add({"SST-2", "74.1 (2.1)", "5"});
  table.add({"é|\\<b>&\n", "7,5 \"x\"", "12"});
  CHECK(table.text() ==
        "task           score   n\n"
        "------------------------\n"
        "SST-2     74.1 (2.1)   5\n"
        "é|\\<b>&      7,5 \"x\"  12\n");
  CHECK(table.markdown() ==
        "| task              |      score |  n |\n"
        "|:------------------|-----------:|---:|\n"
        "| SST-2             | 74.1 (2.1) |  5 |\n"
        "| é\\|\\\\&lt;b>&amp;  |    7,5 \"x\" | 12 |\n");
  CHECK(table.csv() == "task,score,n\nSST-2,74.1 (2.1),5\n\"é|\\<b>&\n\",\"7,5 \"\"x\"\"\",12\n");
}

TEST_CASE("a table of one empty cell, and one without rows") {
  Table table({""}, 0);
  CHECK(table.text() == "\n\n");
  table.add({""});
  CHECK(table.csv() == "\n\n");
  CHECK(Table({"a", "b"}).markdown() == "| a | b |\n|:--|--:|\n");
}

TEST_CASE("a row that does not fit its table is an error") {
  REQUIRE_ERROR(Table({}), "cloze.report.2");
  Table table({"a", "b"});
  REQUIRE_ERROR(table.add({"1"}), "cloze.report.2");
  REQUIRE_ERROR(table.add({"1", "2", "3"}), "cloze.report.2");
}
