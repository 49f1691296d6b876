// Pieces: what every template grammar is parsed into.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <cloze/core/ids.hpp>

namespace cloze {

enum class PieceKind {
  literal,  // text of the template
  text,     // a text of the example
  meta,     // a meta value of the example
  mask,     // what the model fills in
  label,    // the word of a demonstration's label
  soft,     // trainable virtual tokens
  special,  // cls, sep, bos, eos or pad
};

/// Changes to a text before it is tokenised, applied in the order written.
enum class Filter {
  strip,              // no white space at either end
  strip_period,       // no full stop at the end, nor white space before or after it
  strip_punctuation,  // no ASCII punctuation at the end (all of it), nor white space
  drop_punctuation,   // without its last character, where that is ASCII punctuation
  drop_last,          // without its last character
  lower_first,        // first character in lower case
  upper_first,        // first character in upper case
  lower,              // all in lower case
};

enum class SpecialRole { cls, sep, bos, eos, pad };

/// One part of a template. Which members mean something depends on the kind.
struct Piece {
  PieceKind kind = PieceKind::literal;
  std::string text = {};     // literal: the text; meta: the key; soft: the name
  Index slot = 0;            // text: 0 text_a, 1 text_b; flat: counted on through the demonstrations
  bool flat = false;         // LM-BFF's numbering: slot counts query and demonstration texts in one row
  bool fixed_label = false;  // label: the word of label `slot`, whatever the demonstration's label
  Index count = 1;           // mask, soft: how many tokens; soft: 0 means as many as `initial` has
  std::string initial = {};  // soft: the text whose embeddings are the starting values; may be empty
  SpecialRole special = SpecialRole::cls;
  bool next_segment = false;      // special: later tokens belong to the next segment
  bool space = false;             // literal, text, meta, label: a space stands before
  bool vocabulary_entry = false;  // literal: looked up as one vocabulary entry instead of being tokenised
  std::vector<Filter> filters = {};
  std::optional<Index> limit = {};       // text, meta: at most so many tokens of the query …
  std::optional<Index> demo_limit = {};  // … and of a demonstration (absent: `limit`)
  bool keep = false;                     // text, meta: never cut to fit the budget
  bool shorten = false;                  // literal: may be cut to fit the budget
  bool cut_head = false;                 // text, meta: loses tokens at its beginning, not at its end
};

}  // namespace cloze
