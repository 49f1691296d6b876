// Interrupt: turns the first Ctrl-C into a flag, so that a loop can save and stop; the second one kills.
#pragma once

#include <atomic>
#include <csignal>

#include <cloze/core/error.hpp>

namespace cloze {

/// While one is alive, SIGINT and SIGTERM set requested() once; the next one does what it did before.
///   const Interrupt interrupt;
///   for (auto step : progress(1000)) {
///     …
///     if (interrupt.requested()) { run.save(path); break; }
///   }
class Interrupt {
 public:
  /// Errors: [cloze.interrupt.1] there is one already.
  Interrupt() {
    require(!alive().exchange(true), "cloze.interrupt.1", "only one Interrupt can be alive at a time");
    flag() = 0;
    before_int() = std::signal(SIGINT, on_signal);
    before_term() = std::signal(SIGTERM, on_signal);
  }
  ~Interrupt() {
    std::signal(SIGINT, before_int());
    std::signal(SIGTERM, before_term());
    alive() = false;
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool requested() const { return flag() != 0; }

 private:
  using Handler = void (*)(int);

  // Each is set up before the handler that reads it: a handler must not initialise.
  static volatile std::sig_atomic_t& flag() {
    static volatile std::sig_atomic_t value = 0;
    return value;
  }
  static Handler& before_int() {
    static Handler handler = SIG_DFL;
    return handler;
  }
  static Handler& before_term() {
    static Handler handler = SIG_DFL;
    return handler;
  }
  static std::atomic<bool>& alive() {
    static std::atomic<bool> value{false};
    return value;
  }
  static void on_signal(int) {
    flag() = 1;
    std::signal(SIGINT, before_int());
    std::signal(SIGTERM, before_term());
  }
};

}  // namespace cloze
