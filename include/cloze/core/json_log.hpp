// JsonLog: a JSON Lines file that only grows, one finished piece of work a line, and loses none of them when the
// program is killed.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>

namespace cloze {

namespace detail {

struct JsonLogText {
  std::vector<nlohmann::json> records;
  std::size_t whole = 0;              // bytes of the whole lines
  std::string_view cut;               // what stands after them: the beginning of a line that was never finished
  bool ends_without_newline = false;  // the last record is whole, but for its line break
};

/// Splits the text of a log. Errors: [cloze.json.1], [cloze.json_log.2] a line, other than a cut last one, that is no
/// JSON object; both name it.
inline JsonLogText read_json_log_text(std::string_view text, std::string_view file) {
  JsonLogText log;
  for (std::size_t number = 1; log.whole < text.size(); ++number) {
    const std::size_t end = text.find('\n', log.whole);
    const std::string_view line = text.substr(log.whole, end - log.whole);
    const std::string where = formatted("{}:{}", file, number);
    try {
      auto record = parse_json(line, where);
      require(record.is_object(), "cloze.json_log.2", "{}: wanted a JSON object, found {}", where,
              std::string_view(record.type_name()));
      log.records.push_back(std::move(record));
    } catch (const Error&) {
      if (end != std::string_view::npos) throw;
      log.cut = line;
      return log;
    }
    log.ends_without_newline = end == std::string_view::npos;
    log.whole = log.ends_without_newline ? text.size() : end + 1;
  }
  return log;
}

}  // namespace detail

/// The records of a log, for reading only: another program may be writing to it. The beginning of an unfinished last
/// line is left out. Errors: read_file's; [cloze.json.1], [cloze.json_log.2] a damaged line, with its number.
inline std::vector<nlohmann::json> read_json_log(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  return detail::read_json_log_text(text, path.string()).records;
}

/// One writer at a time holds the file. Each record is written by one call and is on the disk when append() returns.
class JsonLog {
 public:
  /// Opens or creates; reads what is there, and cuts off a last line that was never finished (dropped() tells it).
  /// Errors: [cloze.json_log.1] another program is writing to it; [cloze.json.1], [cloze.json_log.2] a damaged line,
  /// and then the file is left as it is; [cloze.file.1], [cloze.file.3] it is no regular file or cannot be opened.
  explicit JsonLog(const std::filesystem::path& path) : path_(path) {
    std::error_code code;
    const bool existed = std::filesystem::exists(path, code);
    require(!existed || std::filesystem::is_regular_file(path, code), "cloze.file.1",
            "{}: wanted a regular file, found a folder or device", path.string());
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    require(file_ >= 0, "cloze.file.3", "{}: cannot be opened for writing: {}", path.string(), std::strerror(errno));
    try {
      lock();
      const std::string text = read_file(path);
      auto found = detail::read_json_log_text(text, path.string());
      size_ = found.whole;
      dropped_ = std::string(found.cut);
      if (!dropped_.empty()) shorten();
      if (found.ends_without_newline) write("\n");
      records_ = std::move(found.records);
      if (!existed) flush_folder();
    } catch (...) {
      ::close(file_);
      throw;
    }
  }
  ~JsonLog() { release(); }
  JsonLog(const JsonLog&) = delete;
  JsonLog& operator=(const JsonLog&) = delete;

  /// What the file holds, in order.
  const std::vector<nlohmann::json>& records() const { return records_; }
  /// The beginning of a line that a killed program had not finished, and that was cut off; mostly empty.
  const std::string& dropped() const { return dropped_; }
  const std::filesystem::path& path() const { return path_; }

  /// Errors: [cloze.file.3] the disk refuses; the file is then as it was.
  void append(nlohmann::json record) {
    write(record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    records_.push_back(std::move(record));
  }

  /// Lets go of the file. A forked worker calls this first, so that the lock ends with the writer.
  void release() {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
  }

 private:
  void lock() {
    // A writer that was killed a moment ago may still be on its way out.
    for (int attempt = 0; ::flock(file_, LOCK_EX | LOCK_NB) != 0; ++attempt) {
      require(errno == EWOULDBLOCK || errno == EINTR, "cloze.file.3", "{}: cannot be locked: {}", path_.string(),
              std::strerror(errno));
      require(attempt < 20, "cloze.json_log.1", "{}: another program is writing to this file", path_.string());
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  void write(std::string_view line) {
    const ssize_t written = ::write(file_, line.data(), line.size());
    const bool ok = written == static_cast<ssize_t>(line.size()) && (::fsync(file_) == 0 || errno == EINVAL);
    if (!ok) {
      const std::string why = written >= 0 && errno == 0 ? "the disk is full" : std::strerror(errno);
      shorten();
      fail("cloze.file.3", "{}: a line of {} bytes could not be written: {}", path_.string(), line.size(), why);
    }
    size_ += line.size();
  }

  void shorten() {
    require(::ftruncate(file_, static_cast<off_t>(size_)) == 0, "cloze.file.3",
            "{}: an unfinished line could not be cut off: {}", path_.string(), std::strerror(errno));
  }

  void flush_folder() const {
    const auto folder = path_.parent_path();
    const int handle = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle < 0) return;
    ::fsync(handle);
    ::close(handle);
  }

  std::filesystem::path path_;
  int file_ = -1;
  std::size_t size_ = 0;
  std::vector<nlohmann::json> records_;
  std::string dropped_;
};

}  // namespace cloze
