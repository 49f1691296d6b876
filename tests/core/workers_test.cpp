#include <cloze/core/workers.hpp>

#include <chrono>
#include <map>
#include <numeric>
#include <stdexcept>
#include <thread>

#include <sys/resource.h>

#include "support/catch.hpp"

using namespace cloze;

namespace {

std::vector<std::size_t> jobs(std::size_t count) {
  std::vector<std::size_t> list(count);
  std::iota(list.begin(), list.end(), std::size_t{0});
  return list;
}

void sleep(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

}  // namespace

TEST_CASE("every job is done once in a process of its own; one worker keeps the order") {
  for (const int workers : {1, 3, 20}) {
    int here = 0;
    std::vector<std::size_t> order;
    const bool all = run_in_workers(
        jobs(16),
        [&](std::size_t job, const auto&) {
          here = 1;  // in the worker's copy
          return "job " + std::to_string(job);
        },
        [&](JobOutcome outcome) {
          REQUIRE(outcome.result.has_value());
          CHECK(*outcome.result == "job " + std::to_string(outcome.job));
          order.push_back(outcome.job);
        },
        {.workers = workers});
    CHECK(all);
    CHECK(here == 0);
    if (workers == 1) CHECK(order == jobs(16));
    std::ranges::sort(order);
    CHECK(order == jobs(16));
  }
  CHECK(run_in_workers(
      jobs(0), [](std::size_t, const auto&) { return std::string(); }, [](const JobOutcome&) {}));
}

TEST_CASE("a result of many megabytes, and an empty one, come through whole") {
  const std::string large(std::size_t{5} << 20, 'x');
  run_in_workers(
      jobs(2), [&](std::size_t job, const auto&) { return job == 0 ? large : std::string(); },
      [&](const JobOutcome& outcome) { CHECK(outcome.result == (outcome.job == 0 ? large : std::string())); },
      {.workers = 2});
}

TEST_CASE("a job that throws, exits or is killed is reported, and the others are done") {
  std::map<std::size_t, JobOutcome> outcomes;
  const bool all = run_in_workers(
      jobs(6),
      [](std::size_t job, const auto&) -> std::string {
        if (job == 1) throw std::runtime_error("no such thing");
        if (job == 2) ::_exit(3);
        if (job == 3) std::raise(SIGKILL);
        if (job == 4) throw 4;
        return "fine";
      },
      [&](JobOutcome outcome) { outcomes[outcome.job] = std::move(outcome); }, {.workers = 2});
  CHECK(all);
  REQUIRE(outcomes.size() == 6);
  CHECK(outcomes[0].result == "fine");
  CHECK(outcomes[5].result == "fine");
  CHECK(outcomes[1].failure == "no such thing");
  CHECK(outcomes[2].failure == "its process ended with status 3 and without a result");
  CHECK(outcomes[3].failure.find("signal 9") != std::string::npos);
  CHECK(outcomes[4].failure == "an exception of an unknown type");
}

TEST_CASE("stop ends the workers at once, and running jobs can be watched") {
  const auto begun = std::chrono::steady_clock::now();
  double share = 0;
  int outcomes = 0;
  const bool all = run_in_workers(
      jobs(3),
      [](std::size_t, const auto& tell) {
        for (int i = 1; i <= 3000; ++i) {
          sleep(10);
          tell(i / 3000.0);
        }
        return std::string();
      },
      [&](const JobOutcome&) { ++outcomes; },
      {.workers = 2,
       .stop = [&] { return share > 0; },
       .watch =
           [&](std::span<const RunningJob> running) {
             CHECK(running.size() <= 2);
             for (const RunningJob& job : running) share = std::max(share, job.share);
           }});
  CHECK_FALSE(all);
  CHECK(outcomes == 0);
  CHECK(share < 0.5);
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(20));
}

TEST_CASE("what a caller throws while workers run ends them and comes through") {
  CHECK_THROWS_AS(run_in_workers(
                      jobs(4),
                      [](std::size_t job, const auto&) {
                        if (job > 0) sleep(60000);
                        return std::string();
                      },
                      [](const JobOutcome&) { throw std::runtime_error("the disk is full"); }, {.workers = 2}),
                  std::runtime_error);
}

TEST_CASE("fewer than one worker is an error") {
  REQUIRE_ERROR(
      run_in_workers(
          jobs(1), [](std::size_t, const auto&) { return std::string(); }, [](const JobOutcome&) {}, {.workers = 0}),
      "cloze.workers.2");
}

TEST_CASE("a system that gives no pipe is an error, and the workers that run are ended") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 3;  // what is open stays open: no number is left for another
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  std::string id;
  try {
    run_in_workers(
        jobs(2), [](std::size_t, const auto&) { return std::string(); }, [](const JobOutcome&) {});
  } catch (const Error& error) {
    id = error.id();
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(id == "cloze.workers.1");
}
