// The models, declared here and compiled once in models.cpp: tests that include this header do not compile them again.
#pragma once

#include <cloze/models/auto.hpp>
#include <cloze/models/sentence_encoder.hpp>

#define CLOZE_TEST_MODELS_ON(prefix, T, D)                             \
  prefix template class cloze::TransformerEncoder<T, D>;               \
  prefix template class cloze::MlmHead<T, D>;                          \
  prefix template class cloze::EncoderModel<T, D>;                     \
  prefix template class cloze::EncoderForMaskedLM<T, D>;               \
  prefix template class cloze::EncoderForSequenceClassification<T, D>; \
  prefix template class cloze::BertForPreTraining<T, D>;               \
  prefix template class cloze::SentenceEncoder<T, D>;                  \
  prefix template class cloze::AutoModelForMaskedLM<T, D>;             \
  prefix template class cloze::AutoModelForSequenceClassification<T, D>;

#define CLOZE_TEST_MODELS(prefix)                       \
  CLOZE_TEST_MODELS_ON(prefix, float, cloze::Cpu)       \
  CLOZE_TEST_MODELS_ON(prefix, double, cloze::Cpu)      \
  CLOZE_TEST_MODELS_ON(prefix, float, cloze::Reference) \
  CLOZE_TEST_MODELS_ON(prefix, double, cloze::Reference)

#ifndef CLOZE_TEST_MODELS_HERE
CLOZE_TEST_MODELS(extern)
#endif
