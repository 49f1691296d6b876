// A file mapped into memory, read only: opening costs nothing, and only what is read is loaded.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloze/core/error.hpp>

namespace cloze {

/// The bytes of a regular file, as they lie on disk. Whoever shortens the file meanwhile makes reading it undefined;
/// files that cloze writes are replaced by a rename, never changed in place.
class MappedFile {
 public:
  MappedFile() = default;

  /// Errors: [cloze.file.1] absent, not a regular file, not readable.
  explicit MappedFile(const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block here
    require(file >= 0, "cloze.file.1", "{}: cannot be opened for reading: {}", path.string(), std::strerror(errno));
    struct stat status {};
    const bool known = ::fstat(file, &status) == 0;
    const bool regular = known && S_ISREG(status.st_mode);
    void* memory = MAP_FAILED;
    if (regular && status.st_size > 0) {
      size_ = static_cast<std::size_t>(status.st_size);
      memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    }
    const int code = errno;
    ::close(file);
    require(regular, "cloze.file.1", "{}: wanted a regular file, found a folder or device", path.string());
    if (size_ == 0) return;
    if (memory == MAP_FAILED) {
      size_ = 0;
      fail("cloze.file.1", "{}: cannot be mapped into memory: {}", path.string(), std::strerror(code));
    }
    data_ = static_cast<const std::byte*>(memory);
  }

  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cloze
