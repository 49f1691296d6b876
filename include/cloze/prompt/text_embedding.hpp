// Text embeddings: the concept of a sentence encoder, and its answers checked and brought to length 1.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/data/example.hpp>
#include <cloze/tensor/tensor.hpp>

namespace cloze {

/// Turns texts into vectors that can be compared. A user's class needs no base and no registration.
///   embed(texts [texts]) -> [texts, width]; the same width every time
template <class E>
concept EmbedsTexts = requires(const E& encoder, std::span<const std::string> texts) {
  { encoder.embed(texts) } -> std::convertible_to<Tensor<float, Cpu>>;
};

/// What examples are compared by: their text, or both texts with a space between (LM-BFF's get_sbert_embedding.py).
inline std::string embedded_text(const Example& example) {
  return example.text_b ? example.text_a + " " + *example.text_b : example.text_a;
}

/// The encoder's vectors, checked.   texts -> [texts * width]; `width` 0 takes the encoder's, and is set to it
/// Errors: the encoder's; [cloze.embedding.1] another shape than [texts, width]; [cloze.embedding.2] a value that is
/// not finite.
template <EmbedsTexts E>
std::vector<float> checked_embeddings(const E& encoder, std::span<const std::string> texts, Index& width) {
  if (texts.empty()) return {};
  const Tensor<float, Cpu> found = encoder.embed(texts);
  const bool matrix = found.defined() && found.rank() == 2;
  require(matrix && found.dim(0) == static_cast<Index>(texts.size()) && found.dim(1) > 0 &&
              (width == 0 || found.dim(1) == width),
          "cloze.embedding.1", "the sentence encoder made {} of {} texts; wanted [{}, {}]",
          found.defined() ? found.shape().text() : "nothing", texts.size(), texts.size(),
          width == 0 ? "width" : std::to_string(width));
  width = found.dim(1);
  std::vector<float> values = found.to_vector();
  for (std::size_t i = 0; i < values.size(); ++i)
    require(std::isfinite(values[i]), "cloze.embedding.2", "the embedding of \"{}\" has the value {}",
            texts[i / static_cast<std::size_t>(width)], values[i]);
  return values;
}

/// The same, each vector scaled to length 1. A zero vector stays zero: it is equally similar to all. Errors:
/// checked_embeddings'.
template <EmbedsTexts E>
std::vector<float> unit_embeddings(const E& encoder, std::span<const std::string> texts, Index& width) {
  std::vector<float> values = checked_embeddings(encoder, texts, width);
  for (std::size_t begin = 0; begin < values.size(); begin += static_cast<std::size_t>(width)) {
    const std::span<float> vector(values.data() + begin, static_cast<std::size_t>(width));
    double squares = 0;
    for (const float value : vector) squares += double{value} * double{value};
    if (squares == 0) continue;
    const double length = std::sqrt(squares);
    for (float& value : vector) value = static_cast<float>(double{value} / length);
  }
  return values;
}

}  // namespace cloze
