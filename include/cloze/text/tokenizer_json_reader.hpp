// Reads tokenizer.json in one pass: vocabulary and merges, which are nearly all of it, go straight to their tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/text/vocabulary.hpp>

namespace cloze::detail::text {

/// The merges of a BPE model: pairs of token spellings, in one block.
class MergeList {
 public:
  void add(std::string_view first, std::string_view second) {
    sizes_.emplace_back(first.size(), second.size());
    bytes_.append(first).append(second);
  }

  /// "first second". Errors: [cloze.text.8] not two parts with one space between.
  void add_line(std::string_view line, std::string_view where, std::size_t number) {
    const std::size_t space = line.find(' ');
    const bool two = space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
                     line.find(' ', space + 1) == std::string_view::npos;
    require(two, "cloze.text.8", "{}: merge {}: wanted two tokens with a space between, found \"{}\"", where, number,
            line.substr(0, 80));
    add(line.substr(0, space), line.substr(space + 1));
  }

  std::size_t size() const { return sizes_.size(); }

  /// Views into this list.
  std::vector<std::pair<std::string_view, std::string_view>> pairs() const {
    std::vector<std::pair<std::string_view, std::string_view>> views;
    views.reserve(sizes_.size());
    std::string_view rest = bytes_;
    for (const auto& [first, second] : sizes_) {
      views.emplace_back(rest.substr(0, first), rest.substr(first, second));
      rest.remove_prefix(first + second);
    }
    return views;
  }

 private:
  std::string bytes_;
  std::vector<std::pair<std::size_t, std::size_t>> sizes_;
};

/// tokenizer.json, taken apart.
struct RawTokenizer {
  nlohmann::json rest;         // all but model.vocab and model.merges
  Vocabulary vocabulary;       // model.vocab
  std::vector<double> scores;  // model.vocab of a Unigram model, by id
  MergeList merges;            // model.merges
  bool has_vocabulary = false;
  bool has_merges = false;
};

/// The events of one file, into a RawTokenizer.
class TokenizerJsonEvents : public JsonBuilder {
 public:
  /// `bare`: the file is a vocab.json, the object of a vocabulary and nothing around it.
  TokenizerJsonEvents(RawTokenizer& out, std::string_view where, bool bare)
      : JsonBuilder(out.rest, where), out_(out), bare_(bare) {}

  bool null() override { return part_ == Part::rest ? JsonBuilder::null() : wrong_scalar("null"); }
  bool boolean(bool value) override {
    return part_ == Part::rest ? JsonBuilder::boolean(value) : wrong_scalar("a boolean");
  }
  bool number_integer(std::int64_t value) override {
    return part_ == Part::rest ? JsonBuilder::number_integer(value) : integer(value);
  }
  bool number_unsigned(std::uint64_t value) override {
    // Beyond int64 no id is valid; the greatest int64 is refused in its place.
    const std::uint64_t greatest = INT64_MAX;
    return part_ == Part::rest ? JsonBuilder::number_unsigned(value)
                               : integer(static_cast<std::int64_t>(value < greatest ? value : greatest));
  }
  bool number_float(double value, const std::string& spelling) override {
    if (part_ == Part::rest) return JsonBuilder::number_float(value, spelling);
    return part_ == Part::pieces && depth_ == 2 ? score(value) : wrong_scalar("a number with a fraction");
  }
  bool string(std::string& value) override {
    switch (part_) {
      case Part::rest:
        return JsonBuilder::string(value);
      case Part::tokens:
        wrong("an integer id", "a string");
      case Part::pieces:
        if (depth_ != 2 || has_piece_) wrong("[piece, score]", "a string");
        piece_ = value;
        has_piece_ = true;
        return true;
      case Part::merges:
        if (depth_ == 1) {
          out_.merges.add_line(value, where(), out_.merges.size() + 1);
        } else if (merge_.size() < 2) {
          merge_.push_back(value);
        } else {
          wrong("two tokens", "more");
        }
        return true;
    }
    return true;
  }

  bool start_object(std::size_t size) override {
    if (part_ != Part::rest) wrong("another value", "an object");
    if (at_model_key("vocab") || (bare_ && depth() == 0)) return enter(Part::tokens, out_.has_vocabulary);
    return JsonBuilder::start_object(size);
  }
  bool end_object() override { return part_ == Part::rest ? JsonBuilder::end_object() : leave(); }
  bool start_array(std::size_t size) override {
    if (part_ == Part::tokens || (part_ != Part::rest && depth_ >= 2)) wrong("another value", "an array");
    if (part_ != Part::rest) {
      ++depth_;
      return true;
    }
    if (at_model_key("vocab")) return enter(Part::pieces, out_.has_vocabulary);
    if (at_model_key("merges")) return enter(Part::merges, out_.has_merges);
    return JsonBuilder::start_array(size);
  }
  bool end_array() override {
    if (part_ == Part::rest) return JsonBuilder::end_array();
    if (part_ == Part::pieces && depth_ == 2) {
      if (has_piece_ || pieces_closed_ == out_.scores.size()) wrong("[piece, score]", "less");
      pieces_closed_ = out_.scores.size();
    } else if (part_ == Part::merges && depth_ == 2) {
      if (merge_.size() != 2) wrong("two tokens", "less");
      out_.merges.add(merge_[0], merge_[1]);
      merge_.clear();
    }
    return leave();
  }
  bool key(std::string& value) override {
    if (part_ == Part::tokens) {
      piece_ = value;
      return true;
    }
    require(json_find(innermost(), value) == nullptr, "cloze.text.11", "{}: key \"{}\" is given twice", where(), value);
    if (depth() == 1) section_ = value;
    return JsonBuilder::key(value);
  }

 private:
  enum class Part { rest, tokens, pieces, merges };

  [[noreturn]] void wrong(std::string_view wanted, std::string_view found) const {
    const std::string_view part = part_ == Part::merges ? "merges" : "vocab";
    const std::size_t at = part_ == Part::merges   ? out_.merges.size()
                           : part_ == Part::pieces ? out_.scores.size()
                                                   : out_.vocabulary.size();
    fail("cloze.text.11", "{}: model.{}: entry {}: wanted {}, found {}", where(), part, at + 1, wanted, found);
  }

  [[noreturn]] bool wrong_scalar(std::string_view found) const {
    wrong(part_ == Part::tokens ? "an integer id" : part_ == Part::pieces ? "[piece, score]" : "a string", found);
  }

  bool integer(std::int64_t value) {
    if (part_ == Part::pieces && depth_ == 2) return score(static_cast<double>(value));
    if (part_ != Part::tokens) wrong_scalar("an integer");
    out_.vocabulary.add(piece_, value, where());
    return true;
  }

  bool score(double value) {
    if (!has_piece_) wrong("[piece, score]", "a number first");
    out_.vocabulary.add(piece_, static_cast<std::int64_t>(out_.scores.size()), where());
    out_.scores.push_back(value);
    has_piece_ = false;
    return true;
  }

  bool at_model_key(std::string_view name) const {
    return depth() == 2 && section_ == "model" && JsonBuilder::key() == name;
  }

  bool enter(Part part, bool& seen) {
    require(!seen, "cloze.text.11", "{}: key \"{}\" is given twice", where(), JsonBuilder::key());
    seen = true;
    part_ = part;
    depth_ = 1;
    return true;
  }

  bool leave() {
    if (--depth_ == 0) part_ = Part::rest;
    return true;
  }

  RawTokenizer& out_;
  bool bare_;
  std::string section_;  // the key of the outermost object
  Part part_ = Part::rest;
  int depth_ = 0;  // containers open inside a part other than rest
  std::string piece_;
  bool has_piece_ = false;
  std::size_t pieces_closed_ = 0;
  std::vector<std::string> merge_;
};

/// Takes the text of a tokenizer.json (or, where `bare`, of a vocab.json) apart. Errors: [cloze.json.1],
/// [cloze.json.3], [cloze.text.2], [cloze.text.8], [cloze.text.11] a vocabulary or merges of another shape, a key given
/// twice.
inline RawTokenizer read_tokenizer_json(std::string_view text, std::string_view where, bool bare = false) {
  RawTokenizer out;
  out.vocabulary.reserve(text.size() / 64, text.size() / 8);
  TokenizerJsonEvents(out, where, bare).parse(text);
  return out;
}

}  // namespace cloze::detail::text
