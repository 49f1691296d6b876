// A user's program: includes everything and uses a little of what must be linked (fmt, utf8proc, OpenMP).
#include <cstdio>
#include <string>

#include <cloze/cloze.hpp>

int main() {
  try {
    cloze::require(false, "cloze.package.1", "wanted {}, found {}", "an error", cloze::num_threads());
  } catch (const cloze::Error& error) {
    if (error.id() != "cloze.package.1") return 1;
    std::puts(error.what());
    return 0;
  }
  return 1;
}
