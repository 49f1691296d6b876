// Strong integer ids: a vocabulary entry is not a label, and neither is a plain int.
#pragma once

#include <cstdint>

namespace cloze {

/// Signed 64-bit extents and offsets, everywhere: batch x tokens x vocabulary overflows 32 bits.
using Index = std::int64_t;

/// A vocabulary entry of a tokenizer, 0 <= value < vocab_size.
enum class TokenId : std::int32_t {};

/// A class of a task, in the task's own order, 0 <= value < number of labels.
enum class LabelId : std::int32_t {};

constexpr Index value(TokenId id) { return static_cast<Index>(id); }
constexpr Index value(LabelId id) { return static_cast<Index>(id); }

}  // namespace cloze
