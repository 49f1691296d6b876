// The one translation unit of the tests that compiles the models.
#include "support/models.hpp"

CLOZE_DEFINE_MODELS(float, cloze::Cpu);
CLOZE_DEFINE_MODELS(double, cloze::Cpu);
CLOZE_DEFINE_MODELS(float, cloze::Reference);
CLOZE_DEFINE_MODELS(double, cloze::Reference);
