// ResumableStream: a stream as a part of a checkpoint.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <cloze/data/stream.hpp>
#include <cloze/train/checkpoint_parts.hpp>

namespace cloze {

/// Holds a stream and the way to make it again, so that a checkpoint that cannot be restored leaves it where it was.
///   ResumableStream<LineStream> lines([&] { return LineStream(files, {.passes = 0}); });
///   run.add("lines", lines);
template <ItemStream S>
class ResumableStream {
 public:
  using Item = typename S::Item;

  explicit ResumableStream(std::function<S()> make) : make_(std::move(make)), stream_(make_()) {}

  std::optional<Item> next() { return stream_.next(); }
  nlohmann::json state() const { return stream_.state(); }
  void restore(const nlohmann::json& state) { stream_.restore(state); }

  // For checkpoints. load() throws what the stream's restore() throws: a corpus that has changed, say.
  void save(CheckpointSink& sink) const { sink.text("state", stream_.state().dump()); }
  std::function<void()> load(const CheckpointSource& source) {
    auto fresh = std::make_shared<S>(make_());
    fresh->restore(parse_json(source.text("state"), "stream state"));
    return [this, fresh] { stream_ = std::move(*fresh); };
  }

 private:
  std::function<S()> make_;
  S stream_;
};

}  // namespace cloze
