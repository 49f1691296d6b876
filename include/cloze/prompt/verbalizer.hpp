// Verbalizer: the concept of what turns the scores of vocabulary entries into the scores of labels.
#pragma once

#include <concepts>
#include <span>

#include <cloze/core/ids.hpp>
#include <cloze/tensor/tensor.hpp>

namespace cloze {

/// The part of a verbalizer that rendering needs.
template <class V>
concept NamesWords = requires(const V& verbalizer) {
  { verbalizer.words() } -> std::convertible_to<std::span<const TokenId>>;
};

/// words() says which vocabulary entries are needed, so that the head computes only those; operator() maps their
/// scores. A user's class needs no base and no registration.
///   words() -> [words];  operator(): [masks, words] -> [examples, labels]
template <class V, class T = float, class D = Cpu>
concept Verbalizer = NamesWords<V> && requires(const V& verbalizer, const Tensor<T, D>& scores) {
  { verbalizer(scores) } -> std::convertible_to<Tensor<T, D>>;
};

/// A verbalizer that also says which word demonstrations show for each label.   label_words() -> [labels]
template <class V>
concept ShowsLabels = NamesWords<V> && requires(const V& verbalizer) {
  { verbalizer.label_words() } -> std::convertible_to<std::span<const TokenId>>;
};

}  // namespace cloze
