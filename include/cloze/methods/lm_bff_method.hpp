// LmBffMethod: the methods that LM-BFF's experiment compares, by name.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <cloze/core/error.hpp>

namespace cloze {

/// majority: the most frequent label of the test set, as the paper's tables have it; zero_shot: the prompt, untrained;
/// standard: a fresh head on the first token, trained; prompt: the prompt, trained; prompt_demo: the same with one
/// demonstration of each label; in_context: many demonstrations, untrained.
enum class LmBffMethod { majority, zero_shot, standard, prompt, prompt_demo, in_context };

inline constexpr std::array<std::string_view, 6> lm_bff_method_names{"majority", "zero-shot",   "standard",
                                                                     "prompt",   "prompt-demo", "in-context"};
inline std::string lm_bff_method_name(LmBffMethod method) {
  return std::string(lm_bff_method_names[static_cast<std::size_t>(method)]);
}
/// Throws [cloze.lm_bff.1] with the known names.
inline LmBffMethod lm_bff_method(std::string_view name) {
  std::string known;
  for (std::size_t i = 0; i < lm_bff_method_names.size(); ++i) {
    if (lm_bff_method_names[i] == name) return static_cast<LmBffMethod>(i);
    known += (known.empty() ? "" : ", ") + std::string(lm_bff_method_names[i]);
  }
  fail("cloze.lm_bff.1", "no method is named \"{}\"; the methods are {}", name, known);
}

/// Whether runs of the method train, and so depend on a grid point.
constexpr bool lm_bff_trains(LmBffMethod method) {
  return method == LmBffMethod::standard || method == LmBffMethod::prompt || method == LmBffMethod::prompt_demo;
}
/// Whether they depend on the seed: on the examples that it chose, or on random numbers.
constexpr bool lm_bff_seeded(LmBffMethod method) {
  return method != LmBffMethod::majority && method != LmBffMethod::zero_shot;
}

}  // namespace cloze
