// run_sweep: many runs, each once, in worker processes; what is finished is in a JsonLog and is never run again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

#include <cloze/core/error.hpp>
#include <cloze/core/json_log.hpp>
#include <cloze/core/workers.hpp>
#include <cloze/train/interrupt.hpp>
#include <cloze/train/progress.hpp>

namespace cloze {

/// One run of a sweep. `identity` holds everything that decides its result: two runs with equal identities are the same
/// run. `label` is for people; runs of one `kind` are expected to take equally long.
struct SweepRun {
  nlohmann::json identity;
  std::string label;
  std::string kind;
};

struct SweepOptions {
  int jobs = 1;              // worker processes
  bool record_times = true;  // "seconds" in each record; without, equal sweeps write equal files
  std::function<void(std::string_view)> write = {};  // lines for people; nothing: to stderr, with a live line on a
                                                     // terminal
  std::function<std::string(const nlohmann::json&)> describe = {};  // a finished record in a few words; nothing: "done"
};

struct SweepReport {
  Index known = 0;     // were in the log already
  Index finished = 0;  // now
  Index failed = 0;    // now; the log says why, and the next sweep tries them again
  bool interrupted = false;
};

/// The work of one run, in a process of its own: fields of the record (an object). `tell` takes the share that is done.
using SweepWork = std::function<nlohmann::json(std::size_t run, const std::function<void(double)>& tell)>;

namespace detail {

/// What a sweep shows: a line for each run that ends, and on a terminal one that moves.
class SweepDisplay {
 public:
  SweepDisplay(std::span<const SweepRun> runs, std::vector<std::size_t> open, const SweepOptions& options)
      : runs_(runs), open_(open.begin(), open.end()), total_(runs.size()), options_(options) {
    live_ = !options_.write && ::isatty(2) == 1;
  }

  /// A run of this kind took so long.
  void learn(const std::string& kind, double seconds) {
    for (auto* mean : {&kinds_[kind], &all_}) {
      ++mean->count;
      mean->seconds += (seconds - mean->seconds) / static_cast<double>(mean->count);
    }
  }

  void ended(std::size_t run, double seconds, std::string_view what) {
    open_.erase(run);
    put(formatted("{}/{} {}: {}, {}; {} left", total_ - open_.size(), total_, runs_[run].label, what,
                  duration_text(seconds), duration_text(left({}))));
  }

  void watch(std::span<const RunningJob> running) {
    const auto now = std::chrono::steady_clock::now();
    if (!live_ || now - shown_ < std::chrono::milliseconds(500)) return;
    shown_ = now;
    std::string line = formatted("\r{}/{} {} left", total_ - open_.size(), total_, duration_text(left(running)));
    for (std::size_t i = 0; i < running.size() && i < 2; ++i)
      line += formatted(", {} {:.0f}%", runs_[running[i].job].label, 100 * running[i].share);
    put_raw(line + "\x1b[K");
    drawn_ = true;
  }

  void put(std::string_view line) {
    if (options_.write) return options_.write(line);
    put_raw(formatted("{}{}\n", drawn_ ? "\r\x1b[K" : "", line));
    drawn_ = false;
  }

 private:
  struct Mean {
    double seconds = 0;
    Index count = 0;
  };

  /// Seconds until all is done, by the means of runs of the same kind, else of any; NaN while nothing is known.
  double left(std::span<const RunningJob> running) const {
    if (all_.count == 0) return std::numeric_limits<double>::quiet_NaN();
    double sum = 0;
    for (const std::size_t run : open_) sum += expected(run);
    for (const RunningJob& job : running) sum -= std::min(job.seconds, expected(job.job));
    const auto side_by_side = std::min(static_cast<std::size_t>(options_.jobs), std::max<std::size_t>(1, open_.size()));
    return sum / static_cast<double>(side_by_side);
  }
  double expected(std::size_t run) const {
    const auto at = kinds_.find(runs_[run].kind);
    return at == kinds_.end() ? all_.seconds : at->second.seconds;
  }

  static void put_raw(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  }

  std::span<const SweepRun> runs_;
  std::set<std::size_t> open_;
  std::size_t total_;
  const SweepOptions& options_;
  bool live_ = false, drawn_ = false;
  std::chrono::steady_clock::time_point shown_{};
  std::map<std::string, Mean> kinds_;
  Mean all_;
};

}  // namespace detail

/// Runs every run whose identity has no finished record in `log`, in order, and appends a record as each ends:
/// {"run": identity, …the work's fields…, "seconds": …}, or {"run": identity, "error": why}. Only this process writes.
/// Ctrl-C ends the workers and returns; a killed sweep goes on the next time. With one job the order of the file is
/// that of `runs`. Errors: run_in_workers', JsonLog's; [cloze.sweep.1] two runs of equal identity; [cloze.sweep.2] a
/// record of the log without "run".
inline SweepReport run_sweep(JsonLog& log, std::span<const SweepRun> runs, const SweepWork& work,
                             const SweepOptions& options = {}) {
  std::map<std::string, std::size_t> by_identity;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto [at, fresh] = by_identity.emplace(runs[i].identity.dump(), i);
    require(fresh, "cloze.sweep.1", "runs {} and {} (\"{}\") are the same run", at->second, i, runs[i].label);
  }
  std::vector<bool> finished(runs.size());
  std::vector<std::pair<std::string, double>> times;
  for (std::size_t line = 0; line < log.records().size(); ++line) {
    const nlohmann::json& record = log.records()[line];
    require(record.contains("run"), "cloze.sweep.2", "{}: record {} has no \"run\": is it the results of a sweep?",
            log.path().string(), line + 1);
    const auto at = by_identity.find(record.at("run").dump());
    if (at == by_identity.end() || record.contains("error")) continue;
    finished[at->second] = true;
    if (record.contains("seconds") && record.at("seconds").is_number())
      times.emplace_back(runs[at->second].kind, record.at("seconds").get<double>());
  }
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (!finished[i]) open.push_back(i);

  SweepReport report{.known = static_cast<Index>(runs.size() - open.size())};
  detail::SweepDisplay display(runs, open, options);
  for (const auto& [kind, seconds] : times) display.learn(kind, seconds);
  if (!log.dropped().empty())
    display.put(formatted("{}: its last line was cut in the middle (a killed sweep); {} bytes dropped",
                          log.path().string(), log.dropped().size()));
  if (report.known > 0) display.put(formatted("{} of {} runs were finished before", report.known, runs.size()));

  const Interrupt interrupt;
  const auto done = [&](JobOutcome outcome) {
    const SweepRun& run = runs[outcome.job];
    nlohmann::json record;
    if (outcome.result) {
      record = parse_json(*outcome.result, run.label);
      ++report.finished;
      display.learn(run.kind, outcome.seconds);
    } else {
      record["error"] = outcome.failure;
      ++report.failed;
    }
    record["run"] = run.identity;
    if (options.record_times) record["seconds"] = outcome.seconds;
    const std::string what = !outcome.result    ? "FAILED: " + outcome.failure
                             : options.describe ? options.describe(record)
                                                : "done";
    log.append(std::move(record));
    display.ended(outcome.job, outcome.seconds, what);
  };
  const bool all = run_in_workers(
      open, [&](std::size_t run, const std::function<void(double)>& tell) { return work(run, tell).dump(); }, done,
      {.workers = options.jobs,
       .in_worker = [&] { log.release(); },
       .stop = [&] { return interrupt.requested(); },
       .watch = [&](std::span<const RunningJob> running) { display.watch(running); }});
  report.interrupted = !all;
  return report;
}

}  // namespace cloze
