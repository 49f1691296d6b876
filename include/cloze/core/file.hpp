// Whole files: read into a string, and write so that a reader sees the old file or the new one, never a half.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include <unistd.h>

#include <cloze/core/error.hpp>

namespace cloze {

namespace detail {

/// Opens a regular file. Errors: [cloze.file.1] it cannot be opened (absent, a folder, not readable).
inline std::ifstream open_regular(const std::filesystem::path& path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  require(std::filesystem::exists(status), "cloze.file.1", "{}: no such file", path.string());
  // A pipe or a terminal would block for ever, and cannot be read again.
  require(std::filesystem::is_regular_file(status), "cloze.file.1",
          "{}: wanted a regular file, found a folder or device", path.string());
  std::ifstream file(path, std::ios::binary);
  require(file.is_open(), "cloze.file.1", "{}: cannot be opened for reading: {}", path.string(), std::strerror(errno));
  return file;
}

}  // namespace detail

/// The bytes of a regular file. Errors: [cloze.file.1] it cannot be opened, [cloze.file.2] reading stopped before its
/// end.
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file = detail::open_regular(path);
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  require(!code, "cloze.file.1", "{}: its size cannot be read: {}", path.string(), code.message());
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  require(static_cast<std::uintmax_t>(file.gcount()) == size, "cloze.file.2", "{}: wanted {} bytes, read {}",
          path.string(), size, file.gcount());
  return bytes;
}

namespace detail {

/// Writes and closes; what the disk refuses (full, read only) is an error here, not at some later flush.
inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  require(file.is_open(), "cloze.file.3", "{}: cannot be opened for writing: {}", path.string(), std::strerror(errno));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  require(!file.fail(), "cloze.file.3", "{}: {} bytes could not be written: {}", path.string(), bytes.size(),
          std::strerror(errno));
}

/// A name beside `path` that no other writer, thread or process, is using.
inline std::filesystem::path name_beside(const std::filesystem::path& path) {
  static std::atomic<std::uint32_t> count{0};
  auto beside = path;
  beside += formatted(".{}-{}.partial", ::getpid(), ++count);
  return beside;
}

}  // namespace detail

/// Writes `bytes` beside `path` and renames over it: a failure leaves the old file (or none) as it was.
/// The folder must exist. Errors: [cloze.file.3] it cannot be written (no folder, no right, disk full, not a file).
inline void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  require(!std::filesystem::exists(status) || std::filesystem::is_regular_file(status), "cloze.file.3",
          "{}: wanted a regular file to replace, found a folder or device", path.string());
  const auto beside = detail::name_beside(path);
  try {
    detail::write_bytes(beside, bytes);
    std::filesystem::rename(beside, path, code);
    require(!code, "cloze.file.3", "{}: the finished file could not be put in place: {}", path.string(),
            code.message());
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
    throw;
  }
}

}  // namespace cloze
