// RunIdentity: what a run may not change between two sittings, as a part of its checkpoint.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <cloze/train/checkpoint_parts.hpp>

namespace cloze {

/// Facts by name: the model, the tokenizer, the corpora, the seed. Add it to a Checkpoint before everything else: a
/// checkpoint of another model or corpus is then refused by name, not by the first tensor that does not fit.
///   RunIdentity identity;
///   identity.facts["corpus reviews"] = fact_of(fingerprint(path));
///   run.add("identity", identity);
struct RunIdentity {
  std::map<std::string, std::string> facts = {};

  void save(CheckpointSink& sink) const {
    for (const auto& [name, fact] : facts) sink.text(name, fact);
  }
  /// Errors: [cloze.checkpoint.4] a fact that is another one, or is there on one side only.
  std::function<void()> load(const CheckpointSource& source) const {
    for (const auto& [name, fact] : facts) {
      const std::string saved = source.text(name);
      source.require_that(saved == fact, name, "this run has \"" + fact + "\"", "a checkpoint of \"" + saved + "\"");
    }
    return [] {};
  }
};

}  // namespace cloze
