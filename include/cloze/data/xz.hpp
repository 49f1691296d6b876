// Text files compressed with xz, read without unpacking them. Opt-in: needs <lzma.h> (Debian: liblzma-dev) and -llzma;
// without that header this one declares nothing. Not part of cloze.hpp.
#pragma once

#if __has_include(<lzma.h>)

#include <lzma.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/data/byte_source.hpp>

namespace cloze {

namespace detail {

class XzSource : public ByteSource {
  struct Decoder : lzma_stream {
    Decoder() : lzma_stream(LZMA_STREAM_INIT) {}
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;
    ~Decoder() { lzma_end(this); }
  };

 public:
  XzSource(const std::filesystem::path& path, std::uint64_t offset) : path_(path), packed_(256 * 1024) {
    file_ = open_regular(path);
    // 1 GiB unpacks whatever `xz` can write with any preset (65 MiB) and stops files made to exhaust the memory.
    const lzma_ret status = lzma_stream_decoder(&decoder_, std::uint64_t{1} << 30, LZMA_CONCATENATED);
    require(status == LZMA_OK, "cloze.xz.1", "{}: the decoder cannot be made (liblzma code {})", path.string(),
            static_cast<int>(status));
    std::vector<char> skipped(1 << 20);
    while (offset > 0) {
      const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(offset, skipped.size()));
      const std::size_t count = read(std::span(skipped).first(wanted));
      require(count > 0, "cloze.stream.5",
              "{}: cannot go on at the place asked for: the content ends {} bytes before it", path.string(), offset);
      offset -= count;
    }
  }

  std::size_t read(std::span<char> to) override {
    if (ended_ || to.empty()) return 0;
    decoder_.next_out = reinterpret_cast<std::uint8_t*>(to.data());
    decoder_.avail_out = to.size();
    while (decoder_.avail_out == to.size()) {
      if (decoder_.avail_in == 0 && !packed_ended_) {
        file_.read(packed_.data(), static_cast<std::streamsize>(packed_.size()));
        decoder_.next_in = reinterpret_cast<const std::uint8_t*>(packed_.data());
        decoder_.avail_in = static_cast<std::size_t>(file_.gcount());
        packed_ended_ = decoder_.avail_in == 0;
      }
      const lzma_ret status = lzma_code(&decoder_, packed_ended_ ? LZMA_FINISH : LZMA_RUN);
      if (status == LZMA_STREAM_END) {
        ended_ = true;
        break;
      }
      require(status == LZMA_OK, "cloze.xz.1", "{}: {}", path_.string(), reason(status));
    }
    return to.size() - decoder_.avail_out;
  }

 private:
  static std::string_view reason(lzma_ret status) {
    switch (status) {
      case LZMA_FORMAT_ERROR:
        return "not an xz file";
      case LZMA_DATA_ERROR:
        return "damaged xz data";
      case LZMA_BUF_ERROR:
        return "the xz data end too early";
      case LZMA_MEMLIMIT_ERROR:
        return "unpacking it would need more than 1 GiB of memory";
      case LZMA_OPTIONS_ERROR:
        return "compressed with xz options that liblzma does not know";
      default:
        return "liblzma cannot unpack it";
    }
  }

  std::filesystem::path path_;
  std::ifstream file_;
  std::vector<char> packed_;
  bool packed_ended_ = false;
  bool ended_ = false;
  Decoder decoder_;
};

}  // namespace detail

/// Opens an xz file; going on in its middle unpacks what lies before. Errors: [cloze.file.1] it cannot be opened;
/// [cloze.xz.1] (also when read) it is no xz file, damaged, or ends too early; [cloze.stream.5] an offset beyond the
/// end.
inline std::unique_ptr<ByteSource> open_xz(const std::filesystem::path& path, std::uint64_t offset) {
  return std::make_unique<detail::XzSource>(path, offset);
}

/// Opens a file as what its first bytes say that it is: xz, or else plain text. Errors: open_xz's and open_plain's.
inline std::unique_ptr<ByteSource> open_plain_or_xz(const std::filesystem::path& path, std::uint64_t offset) {
  char head[6];
  auto file = detail::open_regular(path);
  file.read(head, sizeof head);
  const bool packed = std::string_view(head, static_cast<std::size_t>(file.gcount())) == detail::xz_magic;
  return packed ? open_xz(path, offset) : open_plain(path, offset);
}

}  // namespace cloze

#endif
