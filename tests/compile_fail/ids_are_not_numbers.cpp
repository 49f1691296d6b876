// A vocabulary entry is not a label, and neither is a plain number.
// expect 1: cannot convert | no viable conversion | no matching function
// expect 2: cannot convert | no viable conversion | no matching function
#include <cloze/core/ids.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

cloze::Index count(cloze::LabelId label) { return cloze::value(label); }

cloze::Index use() {
#if CLOZE_MUST_FAIL == 1
  return count(cloze::TokenId{3});
#elif CLOZE_MUST_FAIL == 2
  return count(3);
#else
  return count(cloze::LabelId{3});
#endif
}
