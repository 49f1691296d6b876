#include <cloze/report/sweep.hpp>

#include <stdexcept>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

std::vector<SweepRun> some_runs(int count) {
  std::vector<SweepRun> runs;
  for (int i = 0; i < count; ++i) {
    SweepRun run{.identity = {}, .label = "run " + std::to_string(i), .kind = "kind"};
    run.identity["number"] = i;
    runs.push_back(std::move(run));
  }
  return runs;
}

nlohmann::json square(std::size_t run, const std::function<void(double)>&) {
  if (run == 3) throw std::runtime_error("three is not possible");
  nlohmann::json json;
  json["square"] = run * run;
  return json;
}

}  // namespace

TEST_CASE("a sweep does each run once, records failures and tries them again") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "log.jsonl";
  std::string shown;
  const SweepOptions options{
      .jobs = 1,
      .record_times = false,
      .write = [&](std::string_view line) { shown += std::string(line) + "\n"; },
      .describe = [](const nlohmann::json& record) { return "= " + record.at("square").dump(); }};
  {
    JsonLog log(path);
    const auto report = run_sweep(log, some_runs(3), square, options);
    CHECK(report.finished == 3);
    CHECK(report.known == 0);
  }
  CHECK(shown.find("3/3 run 2: = 4, 0:00; 0:00 left\n") != std::string::npos);
  const std::string three = read_file(path);
  CHECK(three ==
        "{\"run\":{\"number\":0},\"square\":0}\n{\"run\":{\"number\":1},\"square\":1}\n"
        "{\"run\":{\"number\":2},\"square\":4}\n");
  {
    JsonLog log(path);
    const auto report = run_sweep(log, some_runs(5), square, options);
    CHECK(report.known == 3);
    CHECK(report.finished == 1);
    CHECK(report.failed == 1);
  }
  CHECK(shown.find("run 3: FAILED: three is not possible") != std::string::npos);
  CHECK(read_file(path) == three +
                               "{\"error\":\"three is not possible\",\"run\":{\"number\":3}}\n"
                               "{\"run\":{\"number\":4},\"square\":16}\n");
  JsonLog log(path);
  const auto report = run_sweep(log, some_runs(5), [](std::size_t, const auto&) { return nlohmann::json::object(); },
                                {.jobs = 2, .write = options.write});
  CHECK(report.known == 4);
  CHECK(report.finished == 1);
  CHECK(log.records().back().at("seconds").is_number());
}

TEST_CASE("equal runs, and a log that is no sweep's, are errors") {
  const test::TemporaryFolder folder;
  const SweepOptions quiet{.write = [](std::string_view) {}};
  JsonLog log(folder.path() / "log.jsonl");
  auto runs = some_runs(2);
  runs[1].identity = runs[0].identity;
  REQUIRE_ERROR(run_sweep(log, runs, square, quiet), "cloze.sweep.1");
  log.append(nlohmann::json::object());
  REQUIRE_ERROR(run_sweep(log, some_runs(2), square, quiet), "cloze.sweep.2");
}
