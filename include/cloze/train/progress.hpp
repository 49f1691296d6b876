// progress: a range over steps that shows how far it is: a bar on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

struct ProgressOptions {
  std::string label = {};                            // stands first
  Index first = 0;                                   // where a resumed run goes on
  double seconds = 5;                                // between plain lines; a bar moves ten times a second
  std::optional<bool> bar = {};                      // nothing: a bar where the output is a terminal
  std::function<void(std::string_view)> write = {};  // nothing: to stderr
  std::function<double()> clock = {};                // seconds; nothing: the steady clock
};

/// "1:02:03", "4:05"; "?" where unknown.
inline std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (whole < 3600) return formatted("{}:{:02}", whole / 60, whole % 60);
  return formatted("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

/// `for (auto step : progress(1000)) …`, or by name, to show more:
///   Progress steps(1000, {.label = "train"});
///   for (auto step : steps) steps.set_text(formatted("loss {:.3f}", loss));
/// Nothing is shown of a loop shorter than the first interval but its last line.
class Progress {
 public:
  /// Steps `options.first` … total-1. Errors: [cloze.progress.1] a negative number of steps, or first beyond total.
  explicit Progress(Index total, ProgressOptions options = {})
      : total_(total), options_(std::move(options)), done_(options_.first) {
    require(total >= 0 && options_.first >= 0 && options_.first <= total, "cloze.progress.1",
            "steps {} to {}: wanted 0 <= first <= total", options_.first, total);
    bar_ = options_.bar.value_or(!options_.write && ::isatty(2) == 1);
    begun_ = shown_ = now();
  }
  ~Progress() {
    try {
      if (bar_ && drawn_) put("\n");
    } catch (...) {  // a sink of the user's must not end the program
    }
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shown behind the numbers from the next update on: a loss, a score.
  void set_text(std::string text) { text_ = std::move(text); }
  Index total() const { return total_; }
  /// Steps finished, those before `first` included.
  Index done() const { return done_; }

  class Iterator {
   public:
    explicit Iterator(Progress* owner) : owner_(owner) {}
    Index operator*() const { return owner_->done_; }
    Iterator& operator++() {
      owner_->advance();
      return *this;
    }
    bool operator!=(std::nullptr_t) const { return owner_->done_ < owner_->total_; }

   private:
    Progress* owner_;
  };
  Iterator begin() { return Iterator(this); }
  std::nullptr_t end() { return nullptr; }

  /// One step more; a loop over the range calls it by itself.
  void advance() {
    ++done_;
    const double time = now();
    if (done_ < total_ && time - shown_ < (bar_ ? 0.1 : options_.seconds)) return;
    shown_ = time;
    show(time - begun_);
  }

 private:
  double now() const {
    if (options_.clock) return options_.clock();
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  void show(double elapsed) {
    const double share = static_cast<double>(done_) / static_cast<double>(total_);
    const double left = elapsed / static_cast<double>(done_ - options_.first) * static_cast<double>(total_ - done_);
    std::string line = options_.label.empty() ? "" : options_.label + " ";
    if (bar_) {
      constexpr int width = 30;
      const int full = static_cast<int>(share * width);
      line = "\r" + line + "[" + std::string(static_cast<std::size_t>(full), '#') +
             std::string(static_cast<std::size_t>(width - full), '.') + "] ";
    }
    line += formatted("{}/{} {:.0f}% {} elapsed, {} left", done_, total_, 100 * share, duration_text(elapsed),
                      duration_text(left));
    if (!text_.empty()) line += ", " + text_;
    line += bar_ ? "\x1b[K" : "\n";  // the terminal's "clear the rest of the line"
    drawn_ = true;
    put(line);
  }

  void put(std::string_view text) const {
    if (options_.write) return options_.write(text);
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  }

  Index total_;
  ProgressOptions options_;
  Index done_;
  bool bar_ = false, drawn_ = false;
  double begun_ = 0, shown_ = 0;
  std::string text_;
};

/// The range itself, for loops that show nothing more.
inline Progress progress(Index total, ProgressOptions options = {}) { return Progress(total, std::move(options)); }

}  // namespace cloze
