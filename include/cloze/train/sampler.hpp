// Which examples come next: shuffled epochs for training, whole sets in order for evaluation.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/rng.hpp>
#include <cloze/train/checkpoint_parts.hpp>

namespace cloze {

struct SamplerOptions {
  bool shuffle = true;
  bool short_batches =
      false;  // end an epoch with a shorter batch, as data loaders do, instead of running into the next
};

/// Walks over 0 … size-1, each epoch in a new random order.
///   EpochSampler sampler(data.train.size(), rng.stream("data order"));
///   sampler.next(8)
class EpochSampler {
 public:
  /// Errors: [cloze.sampler.1] nothing to draw from.
  EpochSampler(Index size, Rng rng, SamplerOptions options = {})
      : size_(size), options_(options), rng_(std::move(rng)) {
    require(size > 0, "cloze.sampler.1", "a sampler over {} examples: wanted at least 1", size);
    begin_epoch();
  }

  /// The next `count` indices (at most what is left of the epoch where short_batches is set).
  /// Errors: [cloze.sampler.2] count below 1.
  std::vector<Index> next(Index count) {
    require(count > 0, "cloze.sampler.2", "a batch of {} examples: wanted at least 1", count);
    std::vector<Index> batch;
    while (static_cast<Index>(batch.size()) < count) {
      if (position_ == size_) {
        if (options_.short_batches && !batch.empty()) break;
        ++epoch_;
        begin_epoch();
      }
      batch.push_back(order_[static_cast<std::size_t>(position_++)]);
    }
    return batch;
  }

  Index size() const { return size_; }
  /// Epochs finished before the one that the next index belongs to.
  Index epoch() const { return position_ == size_ ? epoch_ + 1 : epoch_; }

  // For checkpoints: an epoch's order follows from the generator's state at its beginning.
  void save(CheckpointSink& sink) const {
    sink.number("size", size_);
    sink.number("shuffle", options_.shuffle ? 1 : 0);
    sink.number("epoch", epoch_);
    sink.number("position", position_);
    sink.unsigned_number("seed", begun_.seed);
    sink.unsigned_number("stream", begun_.stream);
    sink.unsigned_number("drawn", begun_.position);
  }
  std::function<void()> load(const CheckpointSource& source) {
    const Index size = source.number("size"), epoch = source.number("epoch"), position = source.number("position");
    source.require_that(size == size_, "size", "wanted a sampler over " + std::to_string(size_) + " examples",
                        std::to_string(size));
    const Index shuffle = source.number("shuffle");
    source.require_that(shuffle == (options_.shuffle ? 1 : 0), "shuffle", options_.shuffle ? "wanted 1" : "wanted 0",
                        std::to_string(shuffle));
    source.require_that(epoch >= 0, "epoch", "wanted an epoch", std::to_string(epoch));
    source.require_that(position >= 0 && position <= size_, "position", "wanted a position in the epoch",
                        std::to_string(position));
    const RngState state{source.unsigned_number("seed"), source.unsigned_number("stream"),
                         source.unsigned_number("drawn")};
    return [this, epoch, position, state] {
      rng_ = Rng(state);
      epoch_ = epoch;
      begin_epoch();
      position_ = position;
    };
  }

 private:
  void begin_epoch() {
    begun_ = rng_.state();
    position_ = 0;
    if (options_.shuffle) {
      order_ = rng_.permutation(size_);
    } else if (order_.empty()) {
      for (Index i = 0; i < size_; ++i) order_.push_back(i);
    }
  }

  Index size_;
  SamplerOptions options_;
  Rng rng_;
  RngState begun_{};
  std::vector<Index> order_;
  Index position_ = 0, epoch_ = 0;
};

namespace detail {

inline std::vector<std::vector<Index>> token_batches_in(const std::vector<Index>& order, std::span<const Index> lengths,
                                                        Index budget) {
  require(budget > 0, "cloze.sampler.2", "a batch of {} tokens: wanted at least 1", budget);
  std::vector<std::vector<Index>> batches;
  Index room = 0;
  for (const Index i : order) {
    const Index length = lengths[static_cast<std::size_t>(i)];
    require(length >= 0, "cloze.sampler.3", "example {} has a length of {} tokens", i, length);
    if (batches.empty() || length > room) {
      batches.emplace_back();
      room = budget;
    }
    batches.back().push_back(i);
    room -= length;
  }
  return batches;
}

inline std::vector<Index> indices(std::size_t size) {
  std::vector<Index> order(size);
  for (std::size_t i = 0; i < size; ++i) order[i] = static_cast<Index>(i);
  return order;
}

}  // namespace detail

/// Everything once, in order, in batches of at most `budget` tokens and at least one example: for evaluation, where
/// packed batches may be as large as memory allows. `lengths`: tokens of each example. Errors: [cloze.sampler.2] a
/// budget below 1, [cloze.sampler.3] a negative length.
inline std::vector<std::vector<Index>> token_batches(std::span<const Index> lengths, Index budget) {
  return detail::token_batches_in(detail::indices(lengths.size()), lengths, budget);
}

/// The same, longest first (equal lengths in order): sequences of a batch are about as long as each other, and the
/// largest batch is met at once rather than at the end. Errors: as token_batches.
inline std::vector<std::vector<Index>> token_batches_by_length(std::span<const Index> lengths, Index budget) {
  auto order = detail::indices(lengths.size());
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return lengths[static_cast<std::size_t>(a)] > lengths[static_cast<std::size_t>(b)];
  });
  return detail::token_batches_in(order, lengths, budget);
}

/// 0 … size-1 in order, `count` at a time. Errors: [cloze.sampler.2] count below 1.
inline std::vector<std::vector<Index>> sequential_batches(Index size, Index count) {
  require(count > 0, "cloze.sampler.2", "a batch of {} examples: wanted at least 1", count);
  std::vector<std::vector<Index>> batches;
  for (Index i = 0; i < size; ++i) {
    if (i % count == 0) batches.emplace_back();
    batches.back().push_back(i);
  }
  return batches;
}

/// The chosen elements, copied. Errors: [cloze.sampler.4] an index outside `from`.
template <class T>
std::vector<T> pick(std::span<const T> from, std::span<const Index> indices) {
  std::vector<T> chosen;
  chosen.reserve(indices.size());
  for (const Index i : indices) {
    require(i >= 0 && i < static_cast<Index>(from.size()), "cloze.sampler.4", "index {} of {} elements", i,
            from.size());
    chosen.push_back(from[static_cast<std::size_t>(i)]);
  }
  return chosen;
}
template <class T>
std::vector<T> pick(const std::vector<T>& from, std::span<const Index> indices) {
  return pick(std::span<const T>(from), indices);
}

}  // namespace cloze
