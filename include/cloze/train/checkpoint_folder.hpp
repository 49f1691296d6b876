// CheckpointFolder: the numbered checkpoints of a long run, of which the last few are kept.
#pragma once

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cloze/core/error.hpp>
#include <cloze/train/checkpoint.hpp>

namespace cloze {

/// `step-000001200.safetensors` and its like in one folder, which belongs to one process while this object is alive.
///   CheckpointFolder checkpoints("run", 3);
///   checkpoints.load(run);        // the newest, if there is one
///   checkpoints.save(run, step);  // written beside and renamed; older ones are then removed
class CheckpointFolder {
 public:
  /// Makes the folder where it is not there, and removes what killed writers left half written. Errors:
  /// [cloze.checkpoint_folder.1] fewer than 1 to keep; [cloze.checkpoint_folder.2] another process is using the folder;
  /// [cloze.file.3] it cannot be made or written to.
  explicit CheckpointFolder(std::filesystem::path folder, Index keep = 3) : folder_(std::move(folder)), keep_(keep) {
    require(keep >= 1, "cloze.checkpoint_folder.1", "{}: keeping {} checkpoints: wanted at least 1", folder_.string(),
            keep);
    std::error_code code;
    std::filesystem::create_directories(folder_, code);
    require(std::filesystem::is_directory(folder_), "cloze.file.3", "{}: the folder cannot be made: {}",
            folder_.string(), code ? code.message() : "there is a file of that name");
    const auto lock = folder_ / "lock";
    lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    require(lock_ >= 0, "cloze.file.3", "{}: cannot be opened for writing: {}", lock.string(), std::strerror(errno));
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {  // the system lets go of it when the process ends, however it ends
      ::close(lock_);
      fail("cloze.checkpoint_folder.2", "{}: another process is using this folder", folder_.string());
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("step-") && name.ends_with(".partial")) std::filesystem::remove(entry.path(), code);
    }
  }
  ~CheckpointFolder() { ::close(lock_); }
  CheckpointFolder(const CheckpointFolder&) = delete;
  CheckpointFolder& operator=(const CheckpointFolder&) = delete;

  const std::filesystem::path& folder() const { return folder_; }

  /// The checkpoints that are there, oldest first.
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      if (step_of(entry.path())) found.push_back(entry.path());
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return *step_of(a) < *step_of(b); });
    return found;
  }
  std::optional<std::filesystem::path> latest() const {
    const auto all = files();
    if (all.empty()) return std::nullopt;
    return all.back();
  }

  /// Writes the checkpoint of `step`, then removes those beyond the number to keep: the others of greatest step stay.
  /// Errors: [cloze.checkpoint_folder.3] a negative step; Checkpoint::save's, after which the older ones are all there.
  void save(const Checkpoint& run, Index step) const {
    require(step >= 0, "cloze.checkpoint_folder.3", "{}: a checkpoint of step {}", folder_.string(), step);
    run.save(folder_ / formatted("step-{:09}.safetensors", step));
    auto all = files();
    std::error_code ignored;
    for (std::size_t i = 0; i + static_cast<std::size_t>(keep_) < all.size(); ++i)
      std::filesystem::remove(all[i], ignored);
  }

  /// Restores the newest; whether there was one. A newest one that is broken or another run's is an error, never a
  /// reason to take an older one in silence: Checkpoint::load's.
  bool load(Checkpoint& run) const {
    const auto newest = latest();
    if (newest) run.load(*newest);
    return newest.has_value();
  }

 private:
  static std::optional<Index> step_of(const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    const std::string_view head = "step-", tail = ".safetensors";
    if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size())
      return std::nullopt;
    const char *begin = name.data() + head.size(), *end = name.data() + name.size() - tail.size();
    Index step = 0;
    const auto [stopped, error] = std::from_chars(begin, end, step);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return step;
  }

  std::filesystem::path folder_;
  Index keep_;
  int lock_ = -1;
};

}  // namespace cloze
