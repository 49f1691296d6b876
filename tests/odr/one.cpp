// One of two units that include everything; its twin is two.cpp.
#include <cloze/cloze.hpp>
#include <cloze/experiments.hpp>
#include <cloze/pretraining.hpp>

int from_two();

int main() { return from_two() == cloze::num_threads() ? 0 : 1; }
