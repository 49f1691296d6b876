// SimilarDemos: random demonstrations out of the examples that are most like the query (LM-BFF's filter).
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/prompt/demos.hpp>
#include <cloze/prompt/text_embedding.hpp>

namespace cloze {

struct SimilarDemosOptions {
  /// Of each label, at most floor(floor(candidates / labels) * top_fraction) examples are kept, the most similar ones;
  /// candidates are all examples but the query. LM-BFF: half, so 8 of 16, and 7 where the query is one of 32.
  double top_fraction = 0.5;
  Index per_label = 1;
  std::optional<float> score_threshold = {};  // regression: as RandomDemosOptions
};

/// As RandomDemos, but drawn only among the examples of each label that are most similar to the query by the cosine of
/// their embeddings (equally similar ones in the order of `data`). Gao, Fisch, Chen: "Making pre-trained language
/// models better few-shot learners", ACL 2021, section 6.2. Copies share the embeddings.
template <EmbedsTexts E>
class SimilarDemos {
 public:
  /// Embeds every example. Keeps a view of `data`, which must live as long. Errors: RandomDemos'; unit_embeddings';
  /// [cloze.demos.4] a top_fraction outside (0, 1] or one that leaves fewer than per_label of a label.
  SimilarDemos(E encoder, std::span<const Example> data, const SimilarDemosOptions& options = {})
      : encoder_(std::move(encoder)),
        data_(data),
        options_(options),
        labels_(static_cast<Index>(detail::group_demos(data, options.per_label, options.score_threshold).size())),
        label_of_(detail::demo_labels(data, options.score_threshold)) {
    require(options.top_fraction > 0 && options.top_fraction <= 1, "cloze.demos.4",
            "the most similar {} of the examples; wanted a fraction above 0 and up to 1", options.top_fraction);
    require_limit(static_cast<Index>(data.size()), "the examples");
    prepare(data);
  }
  SimilarDemos(E encoder, const std::vector<Example>& data, const SimilarDemosOptions& options = {})
      : SimilarDemos(std::move(encoder), std::span<const Example>(data), options) {}
  SimilarDemos(E encoder, std::vector<Example>&& data, const SimilarDemosOptions& options = {}) = delete;  // dangles

  /// Embeds queries beforehand, all at once; sample() embeds others one by one. Errors: unit_embeddings'.
  void prepare(std::span<const Example> queries) {
    auto grown = std::make_shared<Vectors>(*vectors_);
    std::vector<std::string> texts;
    for (const Example& query : queries) {
      std::string text = embedded_text(query);
      if (grown->row_of.try_emplace(text, grown->row_of.size()).second) texts.push_back(std::move(text));
    }
    const auto values = unit_embeddings(encoder_, std::span<const std::string>(texts), grown->width);
    grown->unit.insert(grown->unit.end(), values.begin(), values.end());
    vectors_ = std::move(grown);
    if (rows_.empty())
      for (const Example& example : data_) rows_.push_back(vectors_->row_of.at(embedded_text(example)));
  }

  /// The examples that sample() draws from.   -> [labels][kept] most similar first
  /// Errors: unit_embeddings'; [cloze.demos.3], [cloze.demos.4] too few examples besides the query.
  std::vector<std::vector<const Example*>> candidates(const Example& query) const {
    std::vector<std::vector<const Example*>> shown;
    for (const auto& kept : kept_of(query)) {
      auto& group = shown.emplace_back();
      for (const Index i : kept) group.push_back(&data_[static_cast<std::size_t>(i)]);
    }
    return shown;
  }

  /// Errors: as candidates.
  std::vector<Demonstration> sample(const Example& query, Rng& rng) const {
    std::vector<Demonstration> demos;
    auto kept = kept_of(query);
    for (std::size_t label = 0; label < kept.size(); ++label) {
      detail::draw_to_front(kept[label], options_.per_label, rng);
      for (std::size_t i = 0; i < static_cast<std::size_t>(options_.per_label); ++i)
        demos.push_back({&data_[static_cast<std::size_t>(kept[label][i])], static_cast<LabelId>(label)});
    }
    return demos;
  }

 private:
  struct Vectors {
    Index width = 0;
    std::vector<float> unit;                    // [texts, width]
    std::map<std::string, std::size_t> row_of;  // text -> row
  };

  Index limit(Index candidates) const {
    return static_cast<Index>(static_cast<double>(candidates / labels_) * options_.top_fraction);
  }

  void require_limit(Index candidates, const std::string& where) const {
    require(limit(candidates) >= options_.per_label, "cloze.demos.4",
            "{}: the most similar {} of {} candidates of {} labels are {} of each, and {} are to be shown; raise "
            "top_fraction",
            where, options_.top_fraction, candidates, labels_, limit(candidates), options_.per_label);
  }

  std::vector<std::vector<Index>> kept_of(const Example& query) const {
    const auto width = static_cast<std::size_t>(vectors_->width);
    const std::string text = embedded_text(query);
    const auto known = vectors_->row_of.find(text);
    std::vector<float> fresh;
    if (known == vectors_->row_of.end()) {
      Index same_width = vectors_->width;
      fresh = unit_embeddings(encoder_, std::span<const std::string>(&text, 1), same_width);
    }
    const float* mine = fresh.empty() ? vectors_->unit.data() + known->second * width : fresh.data();

    std::vector<std::pair<double, Index>> order;  // similarity, example
    order.reserve(data_.size());
    for (std::size_t i = 0; i < data_.size(); ++i) {
      if (detail::is_query(data_[i], query)) continue;
      const float* other = vectors_->unit.data() + rows_[i] * width;
      double cosine = 0;
      for (std::size_t c = 0; c < width; ++c) cosine += double{mine[c]} * double{other[c]};
      order.emplace_back(cosine, static_cast<Index>(i));
    }
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.first > b.first || (a.first == b.first && a.second < b.second);
    });
    require_limit(static_cast<Index>(order.size()), describe(query));
    const auto most = static_cast<std::size_t>(limit(static_cast<Index>(order.size())));
    std::vector<std::vector<Index>> kept(static_cast<std::size_t>(labels_));
    for (const auto& [cosine, i] : order) {
      auto& group = kept[static_cast<std::size_t>(value(label_of_[static_cast<std::size_t>(i)]))];
      if (group.size() < most) group.push_back(i);
    }
    for (std::size_t label = 0; label < kept.size(); ++label)
      require(static_cast<Index>(kept[label].size()) >= options_.per_label, "cloze.demos.3",
              "{}: label {} has {} examples besides the query, and {} of each are to be shown", describe(query), label,
              kept[label].size(), options_.per_label);
    return kept;
  }

  E encoder_;
  std::span<const Example> data_;
  SimilarDemosOptions options_;
  Index labels_;
  std::vector<LabelId> label_of_;  // [examples]
  std::vector<std::size_t> rows_;  // [examples] row of each in the embeddings
  std::shared_ptr<const Vectors> vectors_ = std::make_shared<Vectors>();
};

}  // namespace cloze
