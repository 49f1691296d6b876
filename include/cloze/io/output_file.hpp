// Files written piece by piece: OutputFile checks every write; AtomicFile puts the finished file in place or leaves
// nothing.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>

namespace cloze {

/// A file open for writing. Errors, in every function: [cloze.file.3] the system refuses (no folder, no right, disk
/// full).
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path)
      : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
    require(file_ >= 0, "cloze.file.3", "{}: cannot be opened for writing: {}", path.string(), std::strerror(errno));
  }
  ~OutputFile() {
    if (file_ >= 0) ::close(file_);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      require(written > 0, "cloze.file.3", "{}: {} bytes could not be written: {}", path_.string(), bytes.size(),
              written == 0 ? "nothing was accepted" : std::strerror(errno));
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  void write(std::string_view text) { write(std::as_bytes(std::span<const char>(text.data(), text.size()))); }

  /// Waits until the disk has it all, and closes.
  void finish() {
    require(::fsync(file_) == 0 || errno == EINVAL || errno == EROFS, "cloze.file.3", "{}: could not be flushed: {}",
            path_.string(), std::strerror(errno));  // a device such as a pipe has nothing to flush
    const int closed = ::close(std::exchange(file_, -1));
    require(closed == 0, "cloze.file.3", "{}: could not be closed: {}", path_.string(), std::strerror(errno));
  }

 private:
  std::filesystem::path path_;
  int file_;
};

namespace detail {

/// Makes a rename in `folder` survive a loss of power; where the system cannot, the rename itself still holds.
inline void flush_folder(const std::filesystem::path& folder) {
  const int handle = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return;
  ::fsync(handle);
  ::close(handle);
}

}  // namespace detail

/// A file written beside `path` and renamed over it by commit(). Without a commit, `path` is as it was and nothing is
/// left.
class AtomicFile {
 public:
  /// Errors: [cloze.file.3] `path` exists and is not a regular file, or OutputFile's.
  explicit AtomicFile(const std::filesystem::path& path)
      : path_(checked(path)), beside_(detail::name_beside(path)), file_(beside_) {}
  ~AtomicFile() {
    if (committed_) return;
    std::error_code ignored;
    std::filesystem::remove(beside_, ignored);
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  OutputFile& file() { return file_; }

  void commit() {
    file_.finish();
    std::error_code code;
    std::filesystem::rename(beside_, path_, code);
    require(!code, "cloze.file.3", "{}: the finished file could not be put in place: {}", path_.string(),
            code.message());
    committed_ = true;
    detail::flush_folder(path_.parent_path());
  }

 private:
  static const std::filesystem::path& checked(const std::filesystem::path& path) {
    std::error_code code;
    const auto status = std::filesystem::status(path, code);
    require(!std::filesystem::exists(status) || std::filesystem::is_regular_file(status), "cloze.file.3",
            "{}: wanted a regular file to replace, found a folder or device", path.string());
    return path;
  }

  std::filesystem::path path_;
  std::filesystem::path beside_;
  OutputFile file_;
  bool committed_ = false;
};

}  // namespace cloze
