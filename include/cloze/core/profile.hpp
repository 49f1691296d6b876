// Where the time of a step goes, by operation: only in programs compiled with CLOZE_PROFILE, nothing at all elsewhere.
#pragma once

#ifdef CLOZE_PROFILE
#include <chrono>
#include <map>
#include <utility>

#include <cloze/core/ids.hpp>
#endif

namespace cloze {

#ifdef CLOZE_PROFILE

struct ProfileEntry {
  double seconds = 0;
  Index calls = 0;
};

/// The calling thread's times by phase ("forward", "backward", …) and operation; both are string literals, told apart
/// by address, so that a mark costs next to nothing.
inline std::map<std::pair<const char*, const char*>, ProfileEntry>& profile() {
  thread_local std::map<std::pair<const char*, const char*>, ProfileEntry> entries;
  return entries;
}

/// Everything since the last mark was this: an operation marks when it is recorded, which is the last thing it does.
inline void profile_mark(const char* phase, const char* name) {
  using Clock = std::chrono::steady_clock;
  thread_local Clock::time_point last = Clock::now();
  const auto now = Clock::now();
  auto& entry = profile()[{phase, name}];
  entry.seconds += std::chrono::duration<double>(now - last).count();
  ++entry.calls;
  last = now;
}

#else

inline void profile_mark(const char*, const char*) {}

#endif

}  // namespace cloze
