// The one translation unit of the tests that compiles the models.
#define CLOZE_TEST_MODELS_HERE
#include "support/models.hpp"

CLOZE_TEST_MODELS()
