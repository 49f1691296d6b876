// Models compiled once in a program: half of the time that a unit takes with optimisation is theirs, and a unit that
// only declares them does not spend it.
#pragma once

#include <cloze/models/auto.hpp>
#include <cloze/models/sentence_encoder.hpp>

// clang-format off
#define CLOZE_MODELS_OF(prefix, T, D)                                  \
  prefix template class cloze::TransformerEncoder<T, D>;               \
  prefix template class cloze::MlmHead<T, D>;                          \
  prefix template class cloze::EncoderModel<T, D>;                     \
  prefix template class cloze::EncoderForMaskedLM<T, D>;               \
  prefix template class cloze::EncoderForSequenceClassification<T, D>; \
  prefix template class cloze::BertForPreTraining<T, D>;               \
  prefix template class cloze::SentenceEncoder<T, D>;                  \
  prefix template class cloze::AutoModelForMaskedLM<T, D>;             \
  prefix template class cloze::AutoModelForSequenceClassification<T, D>
// clang-format on

/// In units that use models, at namespace scope behind the includes: `CLOZE_DECLARE_MODELS(float, cloze::Cpu);`. They
/// take the models of that scalar and device from the unit that defines them.
#define CLOZE_DECLARE_MODELS(T, D) CLOZE_MODELS_OF(extern, T, D)

/// In one unit of the program: `CLOZE_DEFINE_MODELS(float, cloze::Cpu);`. Without it the program does not link; a unit
/// that declares nothing compiles the models for itself, as ever.
#define CLOZE_DEFINE_MODELS(T, D) CLOZE_MODELS_OF(, T, D)
