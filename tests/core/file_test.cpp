#include <cloze/core/file.hpp>

#include <filesystem>
#include <string>

#include "support/catch.hpp"
#include "text/temp_folder.hpp"

using namespace cloze;
using cloze::test::TempFolder;

namespace {

std::size_t entries(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a file reads back as it was written, whatever its size and bytes") {
  TempFolder folder;
  for (const std::size_t size : {0, 1, 3, 16, 4095, 4096, 4097, 1'000'001}) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 37 >> 3);
    write_file_atomically(folder / "file", bytes);
    CHECK(read_file(folder / "file") == bytes);
    CHECK(entries(folder.path()) == 1);
  }
}

TEST_CASE("what is not a regular file is not read, and does not block") {
  TempFolder folder;
  REQUIRE_ERROR(read_file(folder / "absent"), "cloze.file.1");
  REQUIRE_ERROR(read_file(folder.path()), "cloze.file.1");
  if (std::filesystem::exists("/dev/null")) REQUIRE_ERROR(read_file("/dev/null"), "cloze.file.1");
}

TEST_CASE("a failed write is an error and leaves nothing behind") {
  TempFolder folder;
  REQUIRE_ERROR(write_file_atomically(folder / "absent/file", "x"), "cloze.file.3");
  std::filesystem::create_directory(folder / "folder");
  REQUIRE_ERROR(write_file_atomically(folder / "folder", "x"), "cloze.file.3");
  CHECK(entries(folder.path()) == 1);
  CHECK(entries(folder / "folder") == 0);
  if (!std::filesystem::exists("/dev/full")) return;
  REQUIRE_ERROR(detail::write_bytes("/dev/full", "x"), "cloze.file.3");  // the disk is full
  REQUIRE_ERROR(write_file_atomically("/dev/full", "x"), "cloze.file.3");
  CHECK(std::filesystem::exists("/dev/full"));
}
