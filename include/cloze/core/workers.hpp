// run_in_workers: jobs in processes of their own, several side by side. What a job allocates or breaks is gone with its
// process.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cloze/core/error.hpp>

namespace cloze {

/// How a job ended: `result` where it returned one, else `failure` says why.
struct JobOutcome {
  std::size_t job = 0;
  std::optional<std::string> result;
  std::string failure;
  double seconds = 0;
};

/// A job that is being worked on.
struct RunningJob {
  std::size_t job = 0;
  double seconds = 0;
  double share = 0;  // what it last told of itself, 0 to 1
};

/// Work on one job: returns its result, and may call the second argument with the share that is done.
using JobWork = std::function<std::string(std::size_t job, const std::function<void(double)>& tell)>;

struct WorkerOptions {
  int workers = 1;
  std::function<void()> in_worker = {};                         // called first in each process
  std::function<bool()> stop = {};                              // asked ten times a second; true ends all workers
  std::function<void(std::span<const RunningJob>)> watch = {};  // called as often
};

namespace detail {

/// One forked process and the pipe that it writes to. The destructor kills and reaps it.
class Worker {
 public:
  static constexpr std::size_t longest_message = std::size_t{64} << 20;

  Worker(std::size_t job, const JobWork& work, const WorkerOptions& options, const std::vector<Worker>& others)
      : job_(job) {
    std::array<int, 2> ends{};
    require(::pipe2(ends.data(), O_CLOEXEC) == 0, "cloze.workers.1", "no pipe for a worker process: {}",
            std::strerror(errno));
    std::fflush(nullptr);  // what is buffered now must not be written twice
    const pid_t parent = ::getpid();
    process_ = ::fork();
    if (process_ < 0) {
      const std::string why = std::strerror(errno);
      ::close(ends[0]);
      ::close(ends[1]);
      fail("cloze.workers.1", "no worker process: {}", why);
    }
    if (process_ == 0) {
      ::close(ends[0]);
      for (const Worker& other : others) ::close(other.pipe_);
      work_and_exit(ends[1], parent, work, options);
    }
    ::close(ends[1]);
    pipe_ = ends[0];
  }
  ~Worker() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    reap();
  }
  Worker(Worker&& other) noexcept
      : job_(other.job_),
        process_(std::exchange(other.process_, -1)),
        pipe_(std::exchange(other.pipe_, -1)),
        begun_(other.begun_),
        buffer_(std::move(other.buffer_)),
        share_(other.share_) {}
  Worker& operator=(Worker&& other) noexcept {
    std::swap(job_, other.job_);
    std::swap(process_, other.process_);
    std::swap(pipe_, other.pipe_);
    std::swap(begun_, other.begun_);
    std::swap(buffer_, other.buffer_);
    std::swap(share_, other.share_);
    return *this;
  }

  int pipe() const { return pipe_; }
  RunningJob running() const { return {job_, seconds(), share_}; }

  /// Reads what has come; the outcome once the process has ended.
  std::optional<JobOutcome> read() {
    std::array<char, 65536> bytes;
    const ssize_t count = ::read(pipe_, bytes.data(), bytes.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return std::nullopt;
    if (count > 0) {
      buffer_.append(bytes.data(), static_cast<std::size_t>(count));
      take_progress();
      if (buffer_.size() <= longest_message) return std::nullopt;
      ::kill(process_, SIGKILL);
    }
    JobOutcome outcome{.job = job_, .result = {}, .failure = {}, .seconds = seconds()};
    const int status = reap();
    if (!buffer_.empty() && buffer_[0] == 'R' && message_complete() && status == 0) {
      outcome.result = buffer_.substr(header);
    } else if (!buffer_.empty() && buffer_[0] == 'E' && message_complete()) {
      outcome.failure = buffer_.substr(header);
    } else if (WIFSIGNALED(status)) {
      outcome.failure =
          formatted("its process was ended by signal {} ({}){}", WTERMSIG(status), ::strsignal(WTERMSIG(status)),
                    WTERMSIG(status) == SIGKILL ? "; perhaps memory ran out" : "");
    } else {
      outcome.failure = formatted("its process ended with status {} and without a result",
                                  WIFEXITED(status) ? WEXITSTATUS(status) : status);
    }
    return outcome;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t header = 1 + sizeof(std::uint64_t);  // kind and length

  double seconds() const { return std::chrono::duration<double>(Clock::now() - begun_).count(); }

  static void send(int pipe, char kind, std::string_view payload) {
    std::string bytes(1, kind);
    const std::uint64_t size = payload.size();
    bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
    bytes += payload;
    for (std::string_view rest = bytes; !rest.empty();) {
      const ssize_t written = ::write(pipe, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) ::_exit(1);  // nobody listens any more
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  [[noreturn]] void work_and_exit(int pipe, pid_t parent, const JobWork& work, const WorkerOptions& options) const {
    // Ctrl-C reaches the whole group; the parent decides what becomes of a worker, and takes it along when it dies.
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (::getppid() != parent) ::_exit(1);
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGTERM, SIG_DFL);
    std::signal(SIGPIPE, SIG_DFL);
    try {
      if (options.in_worker) options.in_worker();
      auto told = Clock::now();
      const std::string result = work(job_, [&](double share) {
        if (Clock::now() - told < std::chrono::milliseconds(200)) return;
        told = Clock::now();
        send(pipe, 'P', std::string_view(reinterpret_cast<const char*>(&share), sizeof share));
      });
      send(pipe, 'R', result);
    } catch (const std::exception& error) {
      send(pipe, 'E', error.what());
    } catch (...) {
      send(pipe, 'E', "an exception of an unknown type");
    }
    std::fflush(nullptr);
    ::_exit(0);
  }

  std::uint64_t message_size() const {
    std::uint64_t size = 0;
    std::memcpy(&size, buffer_.data() + 1, sizeof size);
    return size;
  }
  bool message_complete() const { return buffer_.size() >= header && buffer_.size() - header == message_size(); }

  void take_progress() {
    constexpr std::size_t message = header + sizeof(double);
    while (buffer_.size() >= message && buffer_[0] == 'P') {
      std::memcpy(&share_, buffer_.data() + header, sizeof share_);
      buffer_.erase(0, message);
    }
  }

  int reap() {
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    ::close(std::exchange(pipe_, -1));
    return status;
  }

  std::size_t job_ = 0;
  pid_t process_ = -1;
  int pipe_ = -1;
  Clock::time_point begun_ = Clock::now();
  std::string buffer_;
  double share_ = 0;
};

}  // namespace detail

/// Runs `work(job)` for every job, in order, `workers` processes at a time, each forked for one job; `done` is called
/// in this process as each ends. A job that throws, or whose process dies, is an outcome with a failure and does not
/// stop the others. Where `stop` says so, workers are killed, their jobs have no outcome, and false is returned.
/// Workers die with this process. To be called before this process has used threads (a fork copies only one of them).
/// Errors: [cloze.workers.1] the system gives no process; [cloze.workers.2] fewer than one worker.
inline bool run_in_workers(std::span<const std::size_t> jobs, const JobWork& work,
                           const std::function<void(JobOutcome)>& done, const WorkerOptions& options = {}) {
  require(options.workers >= 1, "cloze.workers.2", "{} worker processes; wanted 1 or more", options.workers);
  std::vector<detail::Worker> running;
  running.reserve(static_cast<std::size_t>(options.workers));
  std::size_t next = 0;
  while (next < jobs.size() || !running.empty()) {
    if (options.stop && options.stop()) return false;
    while (next < jobs.size() && running.size() < static_cast<std::size_t>(options.workers))
      running.emplace_back(jobs[next++], work, options, running);
    std::vector<pollfd> pipes;
    std::vector<RunningJob> states;
    for (const auto& worker : running) {
      pipes.push_back({worker.pipe(), POLLIN, 0});
      states.push_back(worker.running());
    }
    if (options.watch) options.watch(states);
    if (::poll(pipes.data(), pipes.size(), 100) <= 0) continue;
    for (std::size_t i = running.size(); i-- > 0;) {
      if (pipes[i].revents == 0) continue;
      auto outcome = running[i].read();
      if (!outcome) continue;
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
      // What ends the whole group (a terminal, a batch system) ends workers too: that is no failure of theirs.
      if (!outcome->result && options.stop && options.stop()) return false;
      done(std::move(*outcome));
    }
  }
  return true;
}

}  // namespace cloze
