// The lines of text files, larger than memory if need be; and documents, which are lines up to a blank one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/json.hpp>
#include <cloze/data/byte_source.hpp>
#include <cloze/data/stream.hpp>
#include <cloze/data/text_file.hpp>

namespace cloze {

enum class InvalidUtf8 {
  error,
  replace,  // each broken sequence becomes U+FFFD, as decoders of the Unicode standard's section 3.9 do
};

enum class LongLine {
  error,
  split,  // into lines of at most the limit, behind white space where there is any; all have the number of the line
};

/// A line without its end.
struct Line {
  std::string text = {};
  std::size_t file = 0;      // index into the stream's files
  std::uint64_t number = 0;  // in its file, from 1
};

struct LineStreamOptions {
  OpenSource open = open_plain;  // open_plain_or_xz of <cloze/data/xz.hpp> reads compressed files too
  InvalidUtf8 invalid_utf8 = InvalidUtf8::error;
  LongLine long_lines = LongLine::error;
  std::size_t max_line_bytes = std::size_t{1} << 20;
  bool keep_blank = false;      // give lines of nothing but white space too
  bool mark_file_ends = false;  // give an empty line behind the last line of each file (with keep_blank)
  Index passes = 1;             // over all files; 0: without end
  std::function<bool(const Line&)> wanted = {};  // leaves out the other lines (blank ones are not asked about)
};

namespace detail {

/// Bytes of the broken sequence at the start of `text`: the longest start of a well-formed one, or 1.
inline std::size_t broken_utf8(std::string_view text) {
  const std::string completed = std::string(text.substr(0, 2)) + "\x80\x80";
  if (text.size() < 2 || utf8_sequence(completed) < 3) return 1;
  const bool third = text.size() > 2 && (static_cast<unsigned char>(text[2]) & 0xC0) == 0x80;
  return third && utf8_sequence(completed) == 4 ? 3 : 2;
}

/// Index of the first byte that is not UTF-8, or the size.
inline std::size_t first_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (text.size() - at >= sizeof eight) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t size = utf8_sequence(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return at;
}

inline std::string replace_invalid_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::size_t good = first_invalid_utf8(text);
    valid.append(text.substr(0, good));
    text.remove_prefix(good);
    if (text.empty()) break;
    valid += "\xEF\xBF\xBD";
    text.remove_prefix(broken_utf8(text));
  }
  return valid;
}

inline bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\v\f") == std::string_view::npos; }

/// Where to cut a line that is longer than `limit` < text.size() bytes.
inline std::size_t split_point(std::string_view text, std::size_t limit) {
  const std::size_t space = text.substr(0, limit).find_last_of(" \t");
  if (space != std::string_view::npos && !is_blank(text.substr(0, space))) return space + 1;
  std::size_t at = limit;
  while (at + 3 > limit && at > 1 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80 ? limit : at;
}

}  // namespace detail

/// All lines of the files of one corpus, in order. LF or CR LF ends a line; a byte-order mark at the start of a file is
/// left out. A state knows the files by their fingerprints, not by their names: the corpus may move, but not change.
class LineStream {
 public:
  using Item = Line;

  /// Errors: [cloze.file.1] a file that cannot be opened; [cloze.stream.6] no files, or none with a byte in it;
  /// [cloze.stream.3] a line limit below 64 bytes, a negative number of passes.
  explicit LineStream(std::vector<std::filesystem::path> files, LineStreamOptions options = {})
      : files_(std::move(files)), options_(std::move(options)) {
    require(options_.max_line_bytes >= 64 && options_.passes >= 0 && options_.open, "cloze.stream.3",
            "lines of at most {} bytes, {} passes: wanted at least 64 and 0, and a way to open files",
            options_.max_line_bytes, options_.passes);
    require(!files_.empty(), "cloze.stream.6", "a corpus without files");
    bool any = false;
    for (const auto& file : files_) {
      fingerprints_.push_back(fingerprint(file));
      any = any || fingerprints_.back().size > 0;
    }
    require(any, "cloze.stream.6", "{}: the corpus is empty", files_[0].string());
  }

  const std::vector<std::filesystem::path>& files() const { return files_; }

  /// "file:line", for messages.
  std::string where(const Line& line) const { return formatted("{}:{}", files_.at(line.file).string(), line.number); }

  /// Errors: [cloze.data.1] not UTF-8; [cloze.stream.7] a line beyond the limit; [cloze.stream.6] a pass without a
  /// line; [cloze.stream.5] a file that is another one than at the start; what opening and reading throws.
  std::optional<Line> next() {
    while (options_.passes == 0 || pass_ < options_.passes) {
      if (file_ == files_.size()) {
        require(lines_ > 0, "cloze.stream.6", "{}: the corpus has no line but blank and unwanted ones",
                files_[0].string());
        file_ = 0;
        lines_ = 0;
        ++pass_;
        continue;
      }
      if (!source_) open();
      if (auto line = read_line()) {
        const bool blank = detail::is_blank(line->text);
        if (blank ? !options_.keep_blank : options_.wanted && !options_.wanted(*line)) continue;
        if (!blank) ++lines_;
        return line;
      }
      const Line end{.file = file_, .number = number_};
      source_.reset();
      ++file_;
      offset_ = 0;
      number_ = 1;
      if (options_.keep_blank && options_.mark_file_ends) return end;
    }
    return std::nullopt;
  }

  nlohmann::json state() const {
    nlohmann::json files = nlohmann::json::array();
    for (const FileFingerprint& file : fingerprints_) files.push_back({{"size", file.size}, {"hash", file.hash}});
    return {{"files", std::move(files)}, {"file", file_}, {"offset", offset_},
            {"number", number_},         {"pass", pass_}, {"lines", lines_}};
  }

  /// Errors: [cloze.json.2] not such a state; [cloze.stream.2] a state of another number of files or place beyond them;
  /// [cloze.stream.5] a file that is another one.
  void restore(const nlohmann::json& state) {
    const std::string_view name = "stream state";
    const auto files = json_get<std::vector<nlohmann::json>>(state, "files", name);
    const auto file = json_get<std::size_t>(state, "file", name);
    require(files.size() == files_.size() && file <= files.size(), "cloze.stream.2",
            "the state stands in file {} of {}, this corpus has {}", file, files.size(), files_.size());
    for (std::size_t i = 0; i < files.size(); ++i)
      require(FileFingerprint{json_get<std::uint64_t>(files[i], "size", name),
                              json_get<std::uint64_t>(files[i], "hash", name)} == fingerprints_[i],
              "cloze.stream.5", "{}: not the file that the state is of (it has {} bytes now)", files_[i].string(),
              fingerprints_[i].size);
    const auto pass = json_get<Index>(state, "pass", name);
    const auto lines = json_get<std::uint64_t>(state, "lines", name);
    const auto number = json_get<std::uint64_t>(state, "number", name);
    offset_ = json_get<std::uint64_t>(state, "offset", name);
    file_ = file, pass_ = pass, lines_ = lines, number_ = number;
    source_.reset();
  }

 private:
  void open() {
    require(fingerprint(files_[file_]) == fingerprints_[file_], "cloze.stream.5",
            "{}: the file has changed since the stream was made", files_[file_].string());
    source_ = options_.open(files_[file_], offset_);
    buffer_.clear();
    used_ = 0;
    if (offset_ == 0 && fill(3) && std::string_view(buffer_).starts_with("\xEF\xBB\xBF")) take(3);
  }

  void take(std::size_t bytes) {
    used_ += bytes;
    offset_ += bytes;
  }

  /// Reads until `wanted` unused bytes are there; false where the file ends before.
  bool fill(std::size_t wanted) {
    while (buffer_.size() - used_ < wanted) {
      buffer_.erase(0, used_);
      used_ = 0;
      const std::size_t old = buffer_.size();
      buffer_.resize(old + (std::size_t{1} << 18));
      const std::size_t count = source_->read(std::span(buffer_).subspan(old));
      buffer_.resize(old + count);
      if (count == 0) return false;
    }
    return true;
  }

  std::optional<Line> read_line() {
    std::size_t end = 0;  // bytes of the line, relative to used_
    bool complete = false;
    while (!complete) {
      const std::size_t found = buffer_.find('\n', used_ + end);
      complete = found != std::string::npos;
      end = (complete ? found : buffer_.size()) - used_;
      if (complete || end > options_.max_line_bytes + 1) break;  // one more byte may be the CR of CR LF
      if (!fill(end + 1)) break;
    }
    if (end == 0 && !complete) return std::nullopt;
    std::string_view text = std::string_view(buffer_).substr(used_, end);
    if (complete && text.ends_with('\r')) text.remove_suffix(1);
    Line line{.file = file_, .number = number_};
    if (text.size() > options_.max_line_bytes) {
      require(options_.long_lines == LongLine::split, "cloze.stream.7", "{}: the line is longer than {} bytes",
              where(line), options_.max_line_bytes);
      text = text.substr(0, detail::split_point(text, options_.max_line_bytes));
      end = text.size();
      complete = false;
    }
    line.text = checked(text, line);
    take(end + (complete ? 1 : 0));
    if (complete) ++number_;
    return line;
  }

  std::string checked(std::string_view text, const Line& line) const {
    const std::size_t bad = detail::first_invalid_utf8(text);
    if (bad == text.size()) return std::string(text);
    require(options_.invalid_utf8 == InvalidUtf8::replace, "cloze.data.1",
            "{}: byte {} of the line is 0x{:02x}: not UTF-8", where(line), bad + 1,
            static_cast<unsigned>(static_cast<unsigned char>(text[bad])));
    return detail::replace_invalid_utf8(text);
  }

  std::vector<std::filesystem::path> files_;
  LineStreamOptions options_;
  std::vector<FileFingerprint> fingerprints_;
  std::size_t file_ = 0;
  std::uint64_t offset_ = 0;  // of the next line, in the file's uncompressed content
  std::uint64_t number_ = 1;  // of the next line
  Index pass_ = 0;
  std::uint64_t lines_ = 0;  // given in this pass, but for blank ones
  std::unique_ptr<ByteSource> source_;
  std::string buffer_;
  std::size_t used_ = 0;
};

/// Documents: the lines up to a blank one, a file's end, or `max_lines`. The source must keep blank lines.
class DocumentStream {
 public:
  using Item = std::vector<Line>;

  /// Errors: [cloze.stream.3] `max_lines` below 1; LineStream's.
  explicit DocumentStream(std::vector<std::filesystem::path> files, LineStreamOptions options = {},
                          Index max_lines = 100000)
      : lines_(std::move(files), kept(std::move(options))), max_lines_(max_lines) {
    require(max_lines >= 1, "cloze.stream.3", "documents of at most {} lines: wanted at least 1", max_lines);
  }

  /// Errors: LineStream's.
  std::optional<Item> next() {
    Item document;
    while (static_cast<Index>(document.size()) < max_lines_) {
      auto line = lines_.next();
      if (!line) break;
      const bool blank = detail::is_blank(line->text);
      if (!blank) document.push_back(std::move(*line));
      if (blank && !document.empty()) break;
    }
    if (document.empty()) return std::nullopt;
    return document;
  }

  nlohmann::json state() const { return lines_.state(); }
  void restore(const nlohmann::json& state) { lines_.restore(state); }

 private:
  static LineStreamOptions kept(LineStreamOptions options) {
    options.keep_blank = options.mark_file_ends = true;
    return options;
  }

  LineStream lines_;
  Index max_lines_;
};

}  // namespace cloze
