// A stream read and worked on in the background, ahead of the training step.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/json.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/data/stream.hpp>

namespace cloze {

struct PrefetchOptions {
  Index chunk = 256;  // items that are read, worked on and handed over together
  Index chunks = 4;   // that wait at most: the bound of the memory
  int threads = 1;    // that share the work on a chunk
};

/// The items of a stream, each after `work` (tokenisation, say), which runs in a thread of its own and there on
/// `threads` threads. The order is the source's, whatever the threads do. What the source or the work throws is thrown
/// by next() in its place, behind the items before it, and again by every later call. `work` must be callable from
/// several threads at once.
template <ItemStream S, class Work = std::identity>
class PrefetchedStream {
 public:
  using Item = std::decay_t<std::invoke_result_t<const Work&, typename S::Item>>;

  /// Errors: [cloze.stream.3] a number below 1.
  explicit PrefetchedStream(S source, PrefetchOptions options = {}, Work work = {})
      : worker_(std::make_unique<Worker>(std::move(source), options, std::move(work))) {
    require(options.chunk >= 1 && options.chunks >= 1 && options.threads >= 1, "cloze.stream.3",
            "prefetching {} chunks of {} items with {} threads: wanted at least 1 of each", options.chunks,
            options.chunk, options.threads);
    current_.before = worker_->source.state();
  }

  std::optional<Item> next() {
    worker_->start();
    while (taken_ == current_.items.size()) {
      if (current_.failure) std::rethrow_exception(current_.failure);
      if (current_.last) return std::nullopt;
      current_ = worker_->take();
      taken_ = 0;
    }
    return std::move(*current_.items[taken_++]);
  }

  /// Where the current chunk began, and how far it is used.
  nlohmann::json state() const { return {{"source", current_.before}, {"taken", taken_}}; }

  /// Reads the current chunk again; the chunk size may be another one. Errors: [cloze.json.2] not such a state;
  /// [cloze.stream.2] one whose chunk the source does not have; what the source throws.
  void restore(const nlohmann::json& state) {
    const auto before = json_get<nlohmann::json>(state, "source", "stream state");
    const auto taken = json_get<std::size_t>(state, "taken", "stream state");
    worker_->stop();
    worker_->source.restore(before);
    current_ = {};
    current_.before = before;
    taken_ = 0;
    for (std::size_t i = 0; i < taken; ++i)
      require(next().has_value(), "cloze.stream.2", "the state has used {} items of a chunk that has {}", taken, i);
  }

 private:
  struct Chunk {
    nlohmann::json before;                   // the source's state when the chunk began
    std::vector<std::optional<Item>> items;  // those before the failure, if any
    std::exception_ptr failure;
    bool last = false;
  };

  /// The thread and all that it touches: it stays where it is when the stream is moved.
  struct Worker {
    Worker(S from, PrefetchOptions wanted, Work w) : source(std::move(from)), options(wanted), work(std::move(w)) {}
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker() { stop(); }

    void start() {
      if (thread.joinable() || ended) return;
      thread = std::thread([this] { run(); });
    }

    void stop() {
      {
        const std::lock_guard lock(mutex);
        stopping = true;
      }
      changed.notify_all();
      if (thread.joinable()) thread.join();
      ready.clear();
      stopping = ended = false;
    }

    Chunk take() {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return !ready.empty(); });
      Chunk chunk = std::move(ready.front());
      ready.pop_front();
      ended = chunk.last || chunk.failure;
      lock.unlock();
      changed.notify_all();
      return chunk;
    }

    void run() {
      set_num_threads(options.threads);
      for (bool more = true; more;) {
        Chunk chunk = make();
        more = !chunk.last && !chunk.failure;
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stopping || static_cast<Index>(ready.size()) < options.chunks; });
        if (stopping) return;
        ready.push_back(std::move(chunk));
        lock.unlock();
        changed.notify_all();
      }
    }

    Chunk make() {
      Chunk chunk;
      std::vector<typename S::Item> read;
      try {
        chunk.before = source.state();
        while (static_cast<Index>(read.size()) < options.chunk && !chunk.last) {
          auto item = source.next();
          chunk.last = !item;
          if (item) read.push_back(std::move(*item));
        }
      } catch (...) {
        chunk.failure = std::current_exception();
      }
      chunk.items.resize(read.size());
      std::vector<std::exception_ptr> failures(read.size());
      parallel_for(static_cast<Index>(read.size()), 1, [&](Index begin, Index end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          try {
            chunk.items[i].emplace(std::invoke(std::as_const(work), std::move(read[i])));
          } catch (...) {
            failures[i] = std::current_exception();
          }
        }
      });
      for (std::size_t i = 0; i < failures.size(); ++i) {
        if (!failures[i]) continue;
        chunk.items.resize(i);
        chunk.failure = failures[i];
        break;
      }
      return chunk;
    }

    S source;
    PrefetchOptions options;
    Work work;
    std::thread thread;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Chunk> ready;
    bool stopping = false;
    bool ended = false;  // the last chunk has been taken
  };

  std::unique_ptr<Worker> worker_;
  Chunk current_;
  std::size_t taken_ = 0;
};

}  // namespace cloze
