// A folder of a test's own, gone when the test ends.
#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/core.h>

#include <cloze/core/file.hpp>

namespace cloze::test {

class TempFolder {
 public:
  TempFolder()
      : path_(std::filesystem::temp_directory_path() / fmt::format("cloze-text-{:08x}", std::random_device{}())) {
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  void write(std::string_view name, std::string_view bytes) const { write_file_atomically(path_ / name, bytes); }

 private:
  std::filesystem::path path_;
};

}  // namespace cloze::test
