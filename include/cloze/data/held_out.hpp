// HeldOutRule: which lines of a corpus are kept out of training, decided by nothing but their place.
#pragma once

#include <cstdint>

#include <cloze/data/line_stream.hpp>

namespace cloze {

/// Of each file, blocks of `block` lines in a row; about one block in `every` is held out, chosen by a hash of the
/// numbers of file and block. Neighbouring lines stay on one side, so that a held-out line's own text is not trained
/// on.
struct HeldOutRule {
  std::uint64_t every = 50;  // 0: nothing is held out
  std::uint64_t block = 8;   // at least 1

  bool operator()(const Line& line) const {
    if (every == 0 || block == 0) return false;
    std::uint64_t hash = (line.number - 1) / block + 0x9E3779B97F4A7C15u * (line.file + 1);
    hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;  // splitmix64's finaliser
    hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
    return (hash ^ (hash >> 31)) % every == 0;
  }
};

}  // namespace cloze
