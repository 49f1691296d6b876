#include <cloze/train/tsv_log.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

TEST_CASE("rows reach the file at once and are read back") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "log.tsv";
  TsvLog log(path, {"step", "loss"});
  CHECK(read_file(path) == "step\tloss\n");
  log.add({1, 2.5});
  log.add({2, std::nan("")});
  log.add({30000000, 1e-7});
  CHECK(read_file(path) == "step\tloss\n1\t2.5\n2\tnan\n30000000\t1e-07\n");
  const NumberTable table = read_tsv_log(path);
  CHECK(table.names == std::vector<std::string>{"step", "loss"});
  CHECK(table["step"] == std::vector<double>{1, 2, 30000000});
  CHECK(table["loss"][0] == 2.5);
  CHECK(std::isnan(table["loss"][1]));
  REQUIRE_ERROR(table["lr"], "cloze.tsv_log.3");
  REQUIRE_ERROR(log.add({1}), "cloze.tsv_log.2");
  REQUIRE_ERROR(TsvLog(path, {}), "cloze.tsv_log.1");
  REQUIRE_ERROR(TsvLog(folder.path() / "none/log.tsv", {"a"}), "cloze.file.3");
  std::filesystem::remove_all(folder.path());
  REQUIRE_ERROR(log.add({1, 2}), "cloze.file.3");
}

TEST_CASE("a log that is taken up again drops what lies beyond the checkpoint, and half a line") {
  const test::TemporaryFolder folder;
  const auto path = folder.write("log.tsv", "step\tloss\n1\t5\n2\t4\n3\t3\n4\t");
  CHECK(TsvLog(path, {"step", "loss"}, 2).path() == path);
  CHECK(read_file(path) == "step\tloss\n1\t5\n2\t4\n");
  TsvLog(path, {"step", "loss"}, 0);
  CHECK(read_file(path) == "step\tloss\n");
  folder.write("log.tsv", "step\tlo");
  REQUIRE_ERROR(TsvLog(path, {"step", "loss"}, 2), "cloze.tsv_log.1");
  folder.write("log.tsv", "");
  TsvLog(path, {"step", "loss"}, 2);
  CHECK(read_file(path) == "step\tloss\n");
  folder.write("log.tsv", "a\tb\n1\n");
  REQUIRE_ERROR(read_tsv_log(path), "cloze.tsv_log.3");
  folder.write("log.tsv", "a\tb\nx\t1\n");
  CHECK(std::isnan(read_tsv_log(path)["a"][0]));
}
