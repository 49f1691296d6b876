#include <cloze/report/gather.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

std::vector<nlohmann::json> records(const std::string& lines) {
  std::vector<nlohmann::json> list;
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.find('\n', begin);
    list.push_back(parse_json(lines.substr(begin, end - begin), "a record"));
    begin = end + 1;
  }
  return list;
}

/// A record of a trained run on SST-2.
std::string line(int seed, int batch, const std::string& lr, double dev, double accuracy, const std::string& more = "",
                 const std::string& method = "prompt") {
  return fmt::format(
      R"({{"run":{{"task":"SST-2","method":"{}","seed":{},"batch":{},"lr":{},"data":"d{}","task_hash":"t","steps":100{}}},)"
      R"("metric":"accuracy","dev":{},"tests":[{{"name":"SST-2","examples":40,"of":40,"scores":{{"accuracy":{}}}}}]}})"
      "\n",
      method, seed, batch, lr, seed, more, dev, accuracy);
}

}  // namespace

TEST_CASE("statistics over seeds are numpy's: population deviation, median of the middle two") {
  const auto found = seed_statistics({0.7, 0.5, 0.9, 0.6});
  CHECK(std::abs(found.mean - 0.675) < 1e-12);
  CHECK(std::abs(found.deviation - 0.14790199457749043) < 1e-12);  // numpy.std([.7, .5, .9, .6])
  CHECK(std::abs(found.median - 0.65) < 1e-12);
  CHECK(found.lowest == 0.5);
  CHECK(found.highest == 0.9);
  CHECK(seed_statistics({0.25}).deviation == 0);
  CHECK(seed_statistics({3, 1, 2}).median == 2);
  REQUIRE_ERROR(seed_statistics({}), "cloze.results.1");
}

TEST_CASE("dev chooses the grid point of each seed; the smaller batch and rate win a tie, whatever the order") {
  const std::string lines[] = {line(13, 8, "1e-5", 0.8, 0.10), line(13, 2, "2e-5", 0.9, 0.20),
                               line(13, 4, "1e-5", 0.9, 0.30), line(13, 2, "5e-5", 0.9, 0.40),
                               line(21, 8, "1e-5", 0.5, 0.60)};
  for (const auto& order : {std::vector<int>{0, 1, 2, 3, 4}, std::vector<int>{4, 3, 2, 1, 0}}) {
    std::string text;
    for (const int i : order) text += lines[i];
    const Gathered gathered = gather(records(text));
    REQUIRE(gathered.rows.size() == 1);
    REQUIRE(gathered.columns.size() == 1);
    CHECK(gathered.columns[0].title == "prompt");
    CHECK(gathered.values[0][0] == std::vector<double>{0.20, 0.60});
    CHECK(gathered.notes.empty());
  }
}

TEST_CASE("several settings of one method are columns of their own, named by what differs") {
  const Gathered gathered = gather(records(line(13, 8, "1e-5", 0.8, 0.1) +
                                           line(13, 8, "1e-5", 0.9, 0.2, R"(,"max_test":40,"demos":"similar")") +
                                           line(13, 8, "1e-5", 0.7, 0.3, "", "standard")));
  REQUIRE(gathered.columns.size() == 3);
  CHECK(gathered.columns[0].title == "standard");
  CHECK(gathered.columns[1].title + gathered.columns[2].title == "prompt (demos similar, max_test 40)prompt");
}

TEST_CASE("a table has main metrics and others, both of MNLI's test sets, and an average of the main ones") {
  const auto list = records(
      R"({"run":{"task":"MRPC","method":"zero-shot","data":"x"},"metric":"f1","tests":[{"name":"MRPC","examples":10,"of":408,"scores":{"accuracy":0.5,"f1":0.25}}]})"
      "\n"
      R"({"run":{"task":"MNLI","method":"zero-shot","data":"y"},"metric":"accuracy","tests":[{"name":"MNLI","examples":9,"of":9,"scores":{"accuracy":0.75}},{"name":"MNLI-mm","examples":9,"of":9,"scores":{"accuracy":0.5}}]})"
      "\n"
      R"({"run":{"task":"STS-B","method":"prompt","data":"z","seed":13},"metric":"pearson","dev":null,"tests":[{"name":"STS-B","examples":9,"of":9,"scores":{"pearson":null,"spearman":0.5}}]})"
      "\n"
      R"({"run":{"task":"STS-B","method":"prompt","data":"w","seed":21},"metric":"pearson","dev":0.5,"tests":[{"name":"STS-B","examples":9,"of":9,"scores":{"pearson":0.25,"spearman":0.25}}]})"
      "\n"
      R"({"run":{"task":"MRPC","method":"prompt","data":"x","seed":13},"error":"[cloze.x.1] no"})"
      "\n");
  const Gathered gathered = gather(list);
  CHECK(gathered_table(gathered).text() ==
        "task            zero-shot       prompt\n"
        "--------------------------------------\n"
        "MNLI (acc)           75.0            –\n"
        "MNLI-mm (acc)        50.0            –\n"
        "MRPC (F1)            25.0            –\n"
        "MRPC (acc)           50.0            –\n"
        "STS-B (Pear.)           –         25.0\n"
        "STS-B (Spear.)          –  37.5 (12.5)\n"
        "average                 –            –\n");
  CHECK(gathered_table(gathered, GatheredValue::median).rows()[5][2] == "37.5");
  REQUIRE(gathered.notes.size() == 4);
  CHECK(gathered.notes[0] == "MRPC: a sample of 10 of 408 test examples");
  CHECK(gathered.notes[1] == "STS-B, prompt, seed 13: pearson is not defined (all answers are equal)");
  CHECK(gathered.notes[2] == "STS-B, prompt: 1 of 2 seeds");
  CHECK(gathered.notes[3].find("[cloze.x.1] no") != std::string::npos);
  CHECK(gathered_details(gathered).rows().size() == 6);
  CHECK(gathered_details(gathered).csv().find("MRPC,MRPC,f1,zero-shot,,1,25.000,0.000,25.000,25.000,25.000\n") !=
        std::string::npos);
  CHECK(gathered_chart(gathered, "a title").str().find("MNLI-mm (acc)") != std::string::npos);
}

TEST_CASE("a failed run that was done later, and a run that is there twice, count once") {
  const std::string failed =
      R"({"run":{"task":"SST-2","method":"prompt","seed":13,"batch":8,"lr":1e-5,"data":"d13","task_hash":"t","steps":100},"error":"no memory"})"
      "\n";
  const Gathered gathered = gather(records(failed + line(13, 8, "1e-5", 0.8, 0.1) + line(13, 8, "1e-5", 0.8, 0.1)));
  CHECK(gathered.notes.empty());
  CHECK(gathered.values[0][0] == std::vector<double>{0.1});
}

TEST_CASE("missing seeds are noted") {
  auto list = records(line(13, 8, "1e-5", 0.8, 0.1) + line(21, 8, "1e-5", 0.8, 0.1));
  auto other = list[0];
  other["run"]["task"] = "mr";
  other["tests"][0]["name"] = "mr";
  list.push_back(other);
  CHECK(gather(list).notes == std::vector<std::string>{"mr, prompt: 1 of 2 seeds"});
}

TEST_CASE("records that cannot stand in one table are errors") {
  REQUIRE_ERROR(gather({}), "cloze.results.1");
  REQUIRE_ERROR(gather(records(R"({"run":{"task":"a","method":"b","data":"c"},"error":"no"})"
                               "\n")),
                "cloze.results.1");
  REQUIRE_ERROR(gather(records("{}\n")), "cloze.json.2");
  REQUIRE_ERROR(gather(records(R"({"run":{"task":"a"}})"
                               "\n")),
                "cloze.json.2");
  auto list = records(line(13, 8, "1e-5", 0.8, 0.1) + line(21, 8, "1e-5", 0.8, 0.1));
  list[1]["run"]["task_hash"] = "other";
  REQUIRE_ERROR(gather(list), "cloze.results.2");
  list[1]["run"]["task_hash"] = "t";
  list[1]["run"]["seed"] = 13;
  REQUIRE_ERROR(gather(list), "cloze.results.2");
}
