// The models, declared here and compiled once in models.cpp: tests that include this header do not compile them again.
#pragma once

#include <cloze/models/compiled.hpp>

CLOZE_DECLARE_MODELS(float, cloze::Cpu);
CLOZE_DECLARE_MODELS(double, cloze::Cpu);
CLOZE_DECLARE_MODELS(float, cloze::Reference);
CLOZE_DECLARE_MODELS(double, cloze::Reference);
