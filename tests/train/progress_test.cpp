#include <cloze/train/progress.hpp>

#include <csignal>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <cloze/train/interrupt.hpp>

#include "support/catch.hpp"

using namespace cloze;

TEST_CASE("a loop over progress sees every step, from the first one asked for") {
  std::vector<Index> seen;
  const auto quiet = [](std::string_view) {};
  for (auto step : progress(5, {.write = quiet})) seen.push_back(step);
  const bool all = seen == std::vector<Index>{0, 1, 2, 3, 4};
  CHECK(all);
  seen.clear();
  for (auto step : progress(5, {.first = 3, .write = quiet})) seen.push_back(step);
  const bool rest = seen == std::vector<Index>{3, 4};
  CHECK(rest);
  for ([[maybe_unused]] auto step : progress(0)) FAIL("no steps, and yet one");
  for ([[maybe_unused]] auto step : progress(4, {.first = 4})) FAIL("no steps left, and yet one");
  REQUIRE_ERROR(progress(-1), "cloze.progress.1");
  REQUIRE_ERROR(progress(3, {.first = 4}), "cloze.progress.1");
}

TEST_CASE("elsewhere than on a terminal, a plain line comes every few seconds and at the end") {
  double time = 0;
  std::vector<std::string> lines;
  Progress steps(100, {.label = "train",
                       .seconds = 5,
                       .write = [&](std::string_view line) { lines.emplace_back(line); },
                       .clock = [&] { return time; }});
  for (auto step : steps) {
    time += 0.25;
    steps.set_text(fmt::format("loss {}", step));
  }
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "train 20/100 20% 0:05 elapsed, 0:20 left, loss 19\n");
  CHECK(lines[4] == "train 100/100 100% 0:25 elapsed, 0:00 left, loss 99\n");
}

TEST_CASE("a resumed loop counts the time left from its own steps") {
  double time = 100;
  std::string last;
  for ([[maybe_unused]] auto step : progress(10, {.first = 6,
                                                 .seconds = 0,
                                                 .write = [&](std::string_view line) { last = line; },
                                                 .clock = [&] { return time; }})) {
    time += 60;
    if (step == 8) CHECK(last == "8/10 80% 2:00 elapsed, 2:00 left\n");
  }
}

TEST_CASE("a bar redraws one line and ends it") {
  double time = 0;
  std::string all;
  {
    Progress steps(
        4, {.bar = true, .write = [&](std::string_view text) { all += text; }, .clock = [&] { return time += 1; }});
    for ([[maybe_unused]] auto step : steps) {
    }
  }
  CHECK(all.find("\r[#######.......................] 1/4 25%") == 0);
  CHECK(all.find("[##############################] 4/4 100%") != std::string::npos);
  CHECK(all.find('\n') == all.size() - 1);
}

TEST_CASE("durations read as clocks do") {
  CHECK(duration_text(0) == "0:00");
  CHECK(duration_text(59.6) == "1:00");
  CHECK(duration_text(3599) == "59:59");
  CHECK(duration_text(3723) == "1:02:03");
  CHECK(duration_text(-1) == "?");
  CHECK(duration_text(HUGE_VAL) == "?");
}

TEST_CASE("the first interrupt sets a flag, the second does what it did before") {
  const pid_t child = ::fork();
  if (child == 0) {  // no Catch2 in here: exit codes tell
    std::signal(SIGINT, SIG_DFL);
    const Interrupt interrupt;
    if (interrupt.requested()) ::_exit(1);
    std::raise(SIGINT);
    if (!interrupt.requested()) ::_exit(2);
    std::raise(SIGINT);
    ::_exit(3);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGINT);
}

TEST_CASE("an interrupt ends with its guard, and there is one at a time") {
  const auto before = std::signal(SIGINT, SIG_IGN);
  {
    const Interrupt interrupt;
    REQUIRE_ERROR(Interrupt(), "cloze.interrupt.1");
    std::raise(SIGINT);
    CHECK(interrupt.requested());
  }
  std::raise(SIGINT);  // ignored again, as before the guard
  const Interrupt fresh;
  CHECK_FALSE(fresh.requested());
  std::signal(SIGINT, before);
}
