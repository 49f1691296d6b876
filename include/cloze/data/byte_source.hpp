// Where the bytes of a text file come from: opened at any offset, read in parts, known again by a fingerprint.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>

namespace cloze {

/// Bytes in order. A user's own source (another compression, a network) derives from this.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills `to` from its front and returns how many bytes it gave: 0 only at the end.
  virtual std::size_t read(std::span<char> to) = 0;
};

/// Opens a file so that the next byte read is the one at `offset` of its (uncompressed) content.
using OpenSource = std::function<std::unique_ptr<ByteSource>(const std::filesystem::path& path, std::uint64_t offset)>;

/// Enough of a file to see that it is another one: its size, and a hash of its first and last 64 KiB.
struct FileFingerprint {
  std::uint64_t size = 0;
  std::uint64_t hash = 0;
  friend bool operator==(const FileFingerprint&, const FileFingerprint&) = default;
};

namespace detail {

inline constexpr std::string_view xz_magic{
    "\xFD"
    "7zXZ\0",
    6};

/// The bytes of an uncompressed file.
class PlainSource : public ByteSource {
 public:
  PlainSource(const std::filesystem::path& path, std::uint64_t offset)
      : path_(path), file_(open_regular(path)), size_(std::filesystem::file_size(path)), offset_(offset) {
    char head[6];
    file_.read(head, sizeof head);
    require(std::string_view(head, static_cast<std::size_t>(file_.gcount())) != xz_magic, "cloze.stream.4",
            "{}: compressed with xz: read it through <cloze/data/xz.hpp>", path.string());
    file_.clear();
    require(offset <= size_, "cloze.stream.5", "{}: cannot go on at byte {}: the file has {}", path.string(), offset,
            size_);
    file_.seekg(static_cast<std::streamoff>(offset));
  }

  std::size_t read(std::span<char> to) override {
    file_.read(to.data(), static_cast<std::streamsize>(to.size()));
    const auto count = static_cast<std::size_t>(file_.gcount());
    offset_ += count;
    require(!file_.bad() && (count > 0 || to.empty() || offset_ == size_), "cloze.file.2",
            "{}: wanted {} bytes, read {}", path_.string(), size_, offset_);
    return count;
  }

 private:
  std::filesystem::path path_;
  std::ifstream file_;
  std::uint64_t size_;
  std::uint64_t offset_;
};

}  // namespace detail

/// Opens an uncompressed file. Errors: [cloze.file.1] it cannot be opened; [cloze.file.2] (when read) it ends before
/// the size it had; [cloze.stream.4] it is compressed; [cloze.stream.5] the offset lies beyond its end.
inline std::unique_ptr<ByteSource> open_plain(const std::filesystem::path& path, std::uint64_t offset) {
  return std::make_unique<detail::PlainSource>(path, offset);
}

/// Errors: [cloze.file.1] the file cannot be opened; [cloze.file.2] it cannot be read.
inline FileFingerprint fingerprint(const std::filesystem::path& path) {
  std::ifstream file = detail::open_regular(path);
  const std::uint64_t size = std::filesystem::file_size(path);
  std::uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  std::vector<char> part(static_cast<std::size_t>(std::min<std::uint64_t>(size, 64 * 1024)));
  for (const std::uint64_t start : {std::uint64_t{0}, size - part.size()}) {
    file.seekg(static_cast<std::streamoff>(start));
    file.read(part.data(), static_cast<std::streamsize>(part.size()));
    require(static_cast<std::size_t>(file.gcount()) == part.size(), "cloze.file.2", "{}: wanted {} bytes, read {}",
            path.string(), part.size(), file.gcount());
    for (const char byte : part) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  }
  return {size, hash};
}

}  // namespace cloze
