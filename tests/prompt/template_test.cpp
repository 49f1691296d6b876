#include <cloze/prompt/template.hpp>

#include <cloze/data/tasks.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

/// Kinds and contents, one character and text each: what a template was parsed into.
std::string shape(const std::vector<Piece>& pieces) {
  std::string found;
  for (const Piece& p : pieces) {
    found += p.space ? "_" : "";
    switch (p.kind) {
      case PieceKind::literal:
        found += "'" + p.text + "'";
        break;
      case PieceKind::text:
        found += p.slot == 0 ? "A" : p.slot == 1 ? "B" : "T" + std::to_string(p.slot);
        break;
      case PieceKind::meta:
        found += "M(" + p.text + ")";
        break;
      case PieceKind::mask:
        found += "#" + std::to_string(p.count);
        break;
      case PieceKind::label:
        found += "L";
        break;
      case PieceKind::soft:
        found += "S(" + p.text + "*" + std::to_string(p.count) + ")";
        break;
      case PieceKind::special:
        found += "<" + std::string(detail::special_names[static_cast<std::size_t>(p.special)]) + ">";
        break;
    }
    for (const Filter f : p.filters) found += "|" + std::string(detail::filter_names[static_cast<std::size_t>(f)].name);
    if (p.limit) found += "|max" + std::to_string(*p.limit);
    if (p.demo_limit) found += "|demo" + std::to_string(*p.demo_limit);
    if (p.keep) found += "|keep";
    if (p.cut_head) found += "|head";
  }
  return found;
}

std::string parsed(std::string_view text) { return shape(Template::parse(text).pieces()); }

std::string message(std::string_view text) {
  try {
    Template::parse(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a template literal is parsed into its pieces, and a space belongs to what follows it") {
  const Template prompt("{text_a} It was {mask}.");
  CHECK(shape(prompt.pieces()) == "A' It was'_#1'.'");
  CHECK(prompt.wraps());
  CHECK(prompt.masks() == 1);
  CHECK(parsed("{mask}") == "#1");
  CHECK(parsed("{text_a} {text_b}{mask*3}") == "A_B#3");
  CHECK(parsed("x {text_a}  {text_b} y{mask} ") == "'x'_A' '_B' y'#1");
  CHECK(parsed("{meta:the key} {soft:p*4} {mask} {soft:q}") == "M(the key)_S(p*4)_#1_S(q*1)");
  CHECK(parsed("{cls}{text_a}{sep}{mask}{eos}{bos}{pad}") == "<cls>A<sep>#1<eos><bos><pad>");
  CHECK(parsed("{{a}} {mask} }}{{") == "'{a}'_#1' }{'");
  CHECK(parsed("{text_a|strip_period|lower_first|max:110} {mask}") == "A|strip_period|lower_first|max110_#1");
  CHECK(parsed("{text_b|keep} {mask} "
               "{meta:k|cut_head|demo_max:5|upper_first|drop_last|lower|strip|strip_punctuation|drop_punctuation}") ==
        "B|keep_#1_M(k)|upper_first|drop_last|lower|strip|strip_punctuation|drop_punctuation|demo5|head");
  CHECK_FALSE(Template::parse("{mask}{sep}").wraps());
  CHECK(parsed("na\xc3\xafve {mask}\n") == "'na\xc3\xafve'_#1'\n'");
}

TEST_CASE("a wrong template is an error before any data, with its own id") {
  for (const char* bad : {"{mask", "mask}", "{mask}}", "{", "}", "{mask} {text_a", "{te{mask}xt_a}", "{{mask}"})
    REQUIRE_ERROR(Template::parse(bad), "cloze.template.1");
  for (const char* bad : {"{} {mask}", "{text_c} {mask}", "{Mask}", "{ mask }", "{meta:} {mask}", "{meta} {mask}",
                          "{soft:} {mask}", "{soft} {mask}", "{masks}", "{mask:1}", "{text_a:3} {mask}", "{maskx*2}"})
    REQUIRE_ERROR(Template::parse(bad), "cloze.template.2");
  for (const char* bad :
       {"{text_a|} {mask}", "{text_a|foo} {mask}", "{text_a|lower|} {mask}", "{text_a||lower} {mask}",
        "{text_a|max} {mask}", "{text_a|max:} {mask}", "{text_a|max:x} {mask}", "{text_a|max:-1} {mask}",
        "{text_a|max:99999999} {mask}", "{text_a|lower:2} {mask}", "{text_a|lower:} {mask}", "{text_a|Lower} {mask}"})
    REQUIRE_ERROR(Template::parse(bad), "cloze.template.3");
  for (const char* bad : {"{mask*}", "{mask*0}", "{mask*x}", "{mask*-1}", "{mask*1001}", "{mask*99999999999999999999}",
                          "{soft:a*} {mask}", "{soft:a*2}{mask}{soft:a*3}", "{mask*2*3}"})
    REQUIRE_ERROR(Template::parse(bad), "cloze.template.4");
  for (const char* bad : {"", "plain", "{text_a}", "{{mask}}"}) REQUIRE_ERROR(Template::parse(bad), "cloze.template.5");
  for (const char* bad : {"{mask|lower}", "{mask} {label}", "{sep|strip}{mask}", "{soft:x|max:3} {mask}"})
    REQUIRE_ERROR(Template::parse(bad), "cloze.template.6");
  for (const char* bad : {"\xff{mask}", "{meta:\xff}{mask}", "{mask}\xe2\x82"})
    REQUIRE_ERROR(Template::parse(bad), "cloze.template.7");
}

TEST_CASE("the error shows the column in characters and a caret under it") {
  const std::string unknown = message("caf\xc3\xa9 {txt_a} {mask}");
  CHECK(unknown.find("[cloze.template.2] template, column 7: unknown key \"txt_a\"") == 0);
  CHECK(unknown.find("\n  caf\xc3\xa9 {txt_a} {mask}\n        ^") != std::string::npos);
  CHECK(message("{text_a|lower|foo:3} {mask}").find("column 15: unknown filter or argument \"foo:3\"") !=
        std::string::npos);
  CHECK(message("{mask*0}").find("column 7: count \"0\"") != std::string::npos);
  CHECK(message("{text_a} It was").find("column 16: no {mask}") != std::string::npos);
  const std::string longer = message(std::string(500, 'x') + "{y} {mask}" + std::string(500, 'z'));
  CHECK(longer.size() < 500);
  CHECK(longer.find("column 502") != std::string::npos);
  CHECK(message("\xff\xff{mask}").find("??{mask}") != std::string::npos);
}

TEST_CASE("demonstrations use the same template, or one of their own") {
  const Template prompt("{text_a} It was {mask}.");
  REQUIRE(prompt.demonstration().has_value());
  CHECK(shape(*prompt.demonstration()) == "A' It was'_L'.'");
  CHECK(shape(*Template::parse("{cls}{text_a} {mask}{sep}").demonstration()) == "A_L<sep>");
  CHECK_FALSE(Template::parse("{mask} {mask}").demonstration().has_value());
  CHECK_FALSE(Template::parse("{mask*2}").demonstration().has_value());
  const Template own = prompt.with_demonstrations("{label}: {text_a}");
  CHECK(shape(*own.demonstration()) == "L':'_A");
  CHECK(own.demonstration_text() == "{label}: {text_a}");
  CHECK(shape(own.pieces()) == shape(prompt.pieces()));
  REQUIRE_ERROR(prompt.with_demonstrations("{text_a}"), "cloze.template.5");
  REQUIRE_ERROR(prompt.with_demonstrations("{text_a} {mask}"), "cloze.template.6");
}

TEST_CASE("LM-BFF's grammar is read piece by piece") {
  CHECK(shape(Template::lmbff("*cls**sent_0*_It_was*mask*.*sep+*").pieces()) == "<cls>A' It was'#1'.'<sep>");
  CHECK(shape(Template::lmbff("*cls**sent-_0*?*mask*,*+sentl_1**sep+*").pieces()) ==
        "<cls>A|drop_punctuation'?'#1','_B|lower_first<sep>");
  CHECK(shape(Template::lmbff("*cls**sent-_0*?*mask*,*+sentl_1**sep+*", {.compat = true}).pieces()) ==
        "<cls>A|drop_last'?'#1','_B|lower_first<sep>");
  CHECK(shape(Template::lmbff("*sentl-_0**sentu_1**+sentu_2**+sent_3**sep**label_0*mask",
                              {.first_sent_limit = 7, .other_sent_limit = 5})
                  .pieces()) ==
        "A|lower_first|drop_punctuation|max7|demo5B|upper_first|max5|demo5_T2|upper_first|max5|demo5_T3|max5|demo5<sep>"
        "_L#1");
  CHECK(Template::lmbff("*mask**label_0*").shows_demonstrations());
  CHECK_FALSE(Template::lmbff("*mask*").wraps());
  for (const Task& task : tasks::all()) CHECK(Template::of(task).masks() == 1);
}

TEST_CASE("mistakes in LM-BFF's grammar are errors") {
  for (const char* bad : {"*sent_*mask*", "*sent_x*mask*", "*sent_-1*mask*", "*sent_1001*mask*", "*label_*mask*",
                          "*label_1x*mask*", "*+sentl_1_2*mask*"})
    REQUIRE_ERROR(Template::lmbff(bad), "cloze.template.4");
  for (const char* bad : {"", "*", "**", "*cls**sent_0*", "*Mask*"})
    REQUIRE_ERROR(Template::lmbff(bad), "cloze.template.5");
  REQUIRE_ERROR(Template::lmbff("*mask*\xff"), "cloze.template.7");
  // Where the original crashes: it takes these literals for sentences.
  for (const char* bad :
       {"*sent_0*_sentiment:*mask*", "*sent_0*sentence:*mask*", "*sent_0*(sentiment*mask*", "*sent_0*sent*mask*"}) {
    REQUIRE_ERROR(Template::lmbff(bad, {.compat = true}), "cloze.template.8");
    CHECK(Template::lmbff(bad).masks() == 1);
  }
}

TEST_CASE("LM-BFF's automatic demonstrations are expanded as published") {
  CHECK(lmbff_expand_demos("*cls**sent_0*_It_was*mask*.*sep+*", 2) ==
        "*cls**sent_0*_It_was*mask*.*sep+**sent_1*_It_was*label_0*.*sep+**sent_2*_It_was*label_1*.*sep+*");
  const std::string mnli =
      "*cls**sent-_0*?*mask*,*+sentl_1**sep+**sent-_2*?*label_0*,*+sentl_3**sep+**sent-_4*?*label_1*,*+sentl_5**sep+**"
      "sent-_6*?*label_2*,*+sentl_7**sep+*";
  CHECK(lmbff_expand_demos("*cls**sent-_0*?*mask*,*+sentl_1**sep+*", 3) == mnli);
  for (const Task& task : tasks::all())
    if (!task.pair() || task.labels().size() < 5)
      CHECK(lmbff_expand_demos(task.prompt, static_cast<Index>(task.labels().size()), true) ==
            lmbff_expand_demos(task.prompt, static_cast<Index>(task.labels().size()), false));
  CHECK(lmbff_expand_demos("*mask*", 0) == "*mask*");
  REQUIRE_ERROR(lmbff_expand_demos("*mask*", -1), "cloze.template.4");
  REQUIRE_ERROR(lmbff_expand_demos("*mask*", 100000), "cloze.template.4");
}

TEST_CASE("the original's unanchored expansion is reproduced only in compat mode") {
  const std::string pair = "*cls**sent_0**mask*,*+sentl_1**sep+*";
  const std::string compat = lmbff_expand_demos(pair, 5, true), correct = lmbff_expand_demos(pair, 5);
  CHECK(compat.find("*sent_110*") != std::string::npos);
  CHECK(correct.find("*sent_110*") == std::string::npos);
  CHECK(correct.ends_with("*sent_10**label_4*,*+sentl_11**sep+*"));
  const std::string literal = "*cls**sent_0*_in_1990:*mask*.*sep+*";
  CHECK(lmbff_expand_demos(literal, 2, true).find("_in_3990:") != std::string::npos);
  CHECK(lmbff_expand_demos(literal, 2) ==
        literal + "*sent_1*_in_1990:*label_0*.*sep+**sent_2*_in_1990:*label_1*.*sep+*");
}

TEST_CASE("the input of standard fine-tuning has no mask") {
  CHECK(shape(Template::plain(false).pieces()) == "<cls>A<sep>");
  CHECK(shape(Template::plain(true).pieces()) == "<cls>A<sep>B<sep>");
  CHECK(Template::plain(true).masks() == 0);
}

TEST_CASE("OpenPrompt's grammar is read without evaluating anything") {
  const auto open = [](std::string_view text) { return shape(Template::openprompt(text).pieces()); };
  CHECK(open("{\"placeholder\":\"text_a\"} It was {\"mask\"}.") == "A_'It was'_#1'.'");
  CHECK(open("  Hello   {\"placeholder\": \"text_a\"}  world,  {'mask'}  ") == "_'Hello'_A_'world,'_#1");
  CHECK(open("{\"placeholder\": \"text_b\", \"shortenable\": False} {\"mask\"} {\"meta\": \"word\"}") ==
        "B|keep_#1_M(word)|keep");
  CHECK(open("{\"meta\": \"c\", \"shortenable\": True}{\"mask\", }{\"text\": \"a } b\"}") == "M(c)#1'a } b'");
  CHECK(open("{\"placeholder\": \"text_a\", \"post_processing\": lambda s: s[:-1]}?{\"mask\"},"
             "{\"placeholder\": \"text_b\", \"post_processing\": lambda abc: abc[:1].lower() + abc[1:]}") ==
        "A|drop_last'?'#1','B|lower_first");
  CHECK(open("{\"placeholder\":\"text_a\",\"post_processing\": lambda x:x.rstrip(string.punctuation)}{\"mask\"}") ==
        "A|strip_punctuation#1");
  CHECK(open("{\"special\": \"<sep>\"}{\"mask\"} {\"special\": \"eos\"}") == "<sep>#1_<eos>");
  CHECK(Template::openprompt("{\"special\": \"<sep>\"}{\"mask\"}").wraps());
  CHECK(open("{\"soft\"} {\"soft\": None, \"duplicate\": 3} {\"mask\"} {\"soft\": \"the end\"} {\"soft_id\": "
             "2}{\"soft_id\": 2}") == "S(soft 1*1)_S(soft 2*3)_#1_S(soft 3*0)_S(soft_id 2*1)S(soft_id 2*1)");
  CHECK(open("{\"soft\": None, \"duplicate\": 2, \"same\": True}{\"mask\"}") == "S(soft 1*1)S(soft 1*1)#1");
  CHECK(open("{\"placeholder\": \"text_a\", \"add_prefix_space\": \" \"}{\"mask\"} {\"placeholder\": \"text_b\", "
             "\"add_prefix_space\": \"\"}") == "_A#1B");
  CHECK(open("a } b }} {'mask'}") == "'a } b }}'_#1");
}

TEST_CASE("mistakes in OpenPrompt's grammar are errors, where the original may exit") {
  const auto open = [](std::string_view text) { return Template::openprompt(text).masks(); };
  for (const char* bad : {"{\"mask\"", "{\"mask\"} {", "{\"mask\": True"}) REQUIRE_ERROR(open(bad), "cloze.template.1");
  for (const char* bad : {"{} {\"mask\"}", "{\"foo\": 1}{\"mask\"}", "{\"placeholder\":\"text_c\"}{\"mask\"}",
                          "{\"special\":\"<foo>\"}{\"mask\"}"})
    REQUIRE_ERROR(open(bad), "cloze.template.2");
  for (const char* bad : {"{\"placeholder\":\"text_a\",\"post_processing\": lambda s: exec(s)}{\"mask\"}",
                          "{\"placeholder\":\"text_a\",\"post_processing\": \"lambda s: s[:-1]\"}{\"mask\", \"x}"})
    CHECK_THROWS_AS(open(bad), Error);
  REQUIRE_ERROR(open("{\"placeholder\":\"text_a\",\"post_processing\": lambda s: f(\"}\", s)}{\"mask\"}"),
                "cloze.template.3");
  for (const char* bad :
       {"{\"soft\":None,\"duplicate\":0}{\"mask\"}", "{\"soft_id\": 0}{\"mask\"}", "{\"soft_id\": \"1\"}{\"mask\"}"})
    REQUIRE_ERROR(open(bad), "cloze.template.4");
  for (const char* bad : {"", "x", "{\"placeholder\":\"text_a\"}", "}"}) REQUIRE_ERROR(open(bad), "cloze.template.5");
  for (const char* bad : {"{\"mask\", \"shortenable\": True}", "{\"mask\",\"text\":\"a\"}",
                          "{\"text\":\"A\",\"post_processing\":lambda s: s.lower()}{\"mask\"}",
                          "{\"mask\",\"duplicate\":2}", "{\"soft\":\"a b\",\"duplicate\":2}{\"mask\"}"})
    REQUIRE_ERROR(open(bad), "cloze.template.6");
  REQUIRE_ERROR(open("{\"mask\"}\xff"), "cloze.template.7");
  for (const char* bad :
       {"{mask}", "{\"mask\": }", "{\"mask\" \"text\"}", "{\"mask", "{\"text\": \"a\\x41\"}{\"mask\"}",
        "{\"text\": 3}{\"mask\"}", "{\"placeholder\":\"text_a\",\"shortenable\":\"False\"}{\"mask\"}",
        "{\"mask\": {\"a\": 1}}", "{1: 2}"})
    REQUIRE_ERROR(open(bad), "cloze.template.9");
}
