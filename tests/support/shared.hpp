// Where the larger golden data lie: CLOZE_SHARED, or a folder `shared` beside the repository. Absent: the test says so
// and stops.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "support/catch.hpp"

namespace cloze::test {

/// The folder of shared test data, or nothing where there is none.
inline std::optional<std::filesystem::path> shared_path() {
  std::filesystem::path folder;
  if (const char* set = std::getenv("CLOZE_SHARED")) {
    folder = set;
  } else {
    folder = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path().parent_path() / "shared";
  }
  if (std::filesystem::is_directory(folder / "data")) return folder;
  return std::nullopt;
}

}  // namespace cloze::test

/// Names `variable` the path to `relative` in the shared data, or ends the test with a message where it is absent.
#define CLOZE_SHARED_OR_SKIP(variable, relative)                                                             \
  const auto variable##_root = cloze::test::shared_path();                                                   \
  if (!variable##_root || !std::filesystem::exists(*variable##_root / relative)) {                           \
    WARN("skipped: no shared data at " << relative << " (set CLOZE_SHARED to the folder that holds data/)"); \
    return;                                                                                                  \
  }                                                                                                          \
  const std::filesystem::path variable = *variable##_root / relative
