// The other unit; what it returns comes from an inline function that both units hold.
#include <cloze/cloze.hpp>
#include <cloze/experiments.hpp>
#include <cloze/pretraining.hpp>

int from_two();
int from_two() { return cloze::num_threads(); }
