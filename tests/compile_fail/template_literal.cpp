// A template written in the source is checked by the compiler, and the message says what is wrong with it.
// expect 1: template_literal_has_no_mask
// expect 2: template_literal_has_an_unknown_key
// expect 3: template_literal_has_an_unbalanced_brace
// expect 4: template_literal_has_a_bad_filter
// expect 5: template_literal_has_a_misplaced_key_or_filter
// expect 6: template_literal_has_a_bad_count
#include <cloze/prompt/template.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

cloze::Template make() {
#if CLOZE_MUST_FAIL == 1
  return cloze::Template("{text_a} It was great.");
#elif CLOZE_MUST_FAIL == 2
  return cloze::Template("{text} It was {mask}.");
#elif CLOZE_MUST_FAIL == 3
  return cloze::Template("{text_a It was {mask}.");
#elif CLOZE_MUST_FAIL == 4
  return cloze::Template("{text_a|shout} It was {mask}.");
#elif CLOZE_MUST_FAIL == 5
  return cloze::Template("{text_a} It was {label}, so {mask}.");
#elif CLOZE_MUST_FAIL == 6
  return cloze::Template("{text_a} It was {mask*0}.");
#else
  return cloze::Template("{text_a|strip_period|max:110} It was {mask}. {{sic}}");
#endif
}
