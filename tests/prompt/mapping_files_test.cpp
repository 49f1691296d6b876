#include <cloze/prompt/mapping_files.hpp>

#include <cloze/data/tasks.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"
#include "support/temporary.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;

namespace {

const std::vector<std::string> binary{"0", "1"}, nli{"contradiction", "entailment", "neutral"};

std::vector<std::string> words(const std::vector<LabelWords>& labels) {
  std::vector<std::string> result;
  for (const LabelWords& label : labels) result.push_back(label.words.front());
  return result;
}

}  // namespace

TEST_CASE("mappings are read in any of LM-BFF's spellings, in the task's order of labels") {
  const std::vector<std::string> wanted{"terrible", "great"};
  CHECK(words(parse_lmbff_mapping("{'0':'terrible','1':'great'}", binary)) == wanted);
  CHECK(words(parse_lmbff_mapping("{0: \"terrible\", 1: \"great\"}", binary)) == wanted);
  CHECK(words(parse_lmbff_mapping(" { \"1\" : 'great' ,\t\"0\" : 'terrible' , } ", binary)) == wanted);
  CHECK(words(parse_lmbff_mapping("{'contradiction':'No','entailment':'Yes','neutral':'Maybe'}", nli)) ==
        std::vector<std::string>{"No", "Yes", "Maybe"});
  CHECK(words(parse_lmbff_mapping(R"({"0": "don't", '1': 'it\'s'})", binary)) ==
        std::vector<std::string>{"don't", "it's"});
  CHECK(words(parse_lmbff_mapping(R"({"0": "\u00e9t\u00E9", "1": "\ud83d\ude00\"\\"})", binary)) ==
        std::vector<std::string>{"\u00e9t\u00e9", "\U0001F600\"\\"});
}

TEST_CASE("a text that is no mapping is refused with its column") {
  for (const char* text :
       {"", "{", "}", "{'0'}", "{'0':}", "{'0': great}", "{'0': 'a' '1': 'b'}", "{'0': 'a', '0': 'b'}", "{'0': 'a'} x",
        "{'0': 'a", "{'0': 'a\\", "{'0': 'a\\q'}", "{'0': '\\u12'}", "{'0': '\\ud800'}", "{'0': '\\udc00'}", "{-: 'a'}",
        "{,}", "__import__('os')", "{'0': 1}"}) {
    INFO(text);
    REQUIRE_ERROR(parse_lmbff_mapping(text, binary), "cloze.mapping.1");
  }
  try {
    parse_lmbff_mapping("{'0': great}", binary, "words.txt:3");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("words.txt:3: column 7: wanted a word in quotes") != std::string::npos);
  }
  REQUIRE_ERROR(parse_lmbff_mapping("{'0':'a'}", binary), "cloze.mapping.3");
  REQUIRE_ERROR(parse_lmbff_mapping("{'0':'a','1':''}", binary), "cloze.mapping.3");
  REQUIRE_ERROR(parse_lmbff_mapping("{'0':'a','1':'b','2':'c'}", binary), "cloze.mapping.3");
  REQUIRE_ERROR(parse_lmbff_mapping("{}", binary), "cloze.mapping.3");
}

TEST_CASE("what is written is read back, with scores and without") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "16-13.score.txt";
  const std::vector<ScoredMapping> mappings{{{{"0", {"terrible"}}, {"1", {"great"}}}, 0.96875},
                                            {{{"0", {"a\"b"}}, {"1", {"\u00e9 \\ \t"}}}, std::nullopt}};
  for (const MappingKeys keys : {MappingKeys::strings, MappingKeys::integers}) {
    write_lmbff_mappings(path, mappings, keys);
    const auto found = read_lmbff_mappings(path, binary);
    REQUIRE(found.size() == 2);
    CHECK(found[0].score == 0.96875);
    CHECK_FALSE(found[1].score.has_value());
    for (std::size_t i = 0; i < 2; ++i) CHECK(words(found[i].labels) == words(mappings[i].labels));
  }
  CHECK(read_file(path).starts_with("0.96875 {0: \"terrible\", 1: \"great\"}\n"));
  CHECK(lmbff_mapping(mappings[0].labels) == R"({"0": "terrible", "1": "great"})");
  REQUIRE_ERROR(lmbff_mapping(std::vector<LabelWords>{{"0", {"a", "b"}}}), "cloze.mapping.4");
  REQUIRE_ERROR(lmbff_mapping(std::vector<LabelWords>{{"no", {"a"}}}, MappingKeys::integers), "cloze.mapping.4");

  const std::vector<Template> templates{Template::lmbff("*cls**sent_0*_It_was*mask*.*sep+*"),
                                        Template::lmbff("*cls**sent-_0*?*mask*,*+sentl_1**sep+*")};
  write_lmbff_templates(folder.path() / "t.txt", templates);
  const auto found = read_lmbff_templates(folder.path() / "t.txt");
  REQUIRE(found.size() == 2);
  CHECK(found[1].text() == templates[1].text());
  REQUIRE_ERROR(write_lmbff_templates(folder.path() / "t.txt", std::vector<Template>{Template("{text_a} {mask}")}),
                "cloze.mapping.6");
}

TEST_CASE("files that are damaged are named with their line") {
  const test::TemporaryFolder folder;
  const auto mappings = [&](std::string_view bytes) {
    return read_lmbff_mappings(folder.write("m.txt", bytes), binary);
  };
  CHECK(mappings("\n  {'0':'a','1':'b'}\r\n\n{'0':'c','1':'d'}").size() == 2);
  REQUIRE_ERROR(mappings(""), "cloze.mapping.2");
  REQUIRE_ERROR(mappings("\n \n"), "cloze.mapping.2");
  REQUIRE_ERROR(mappings("{'0':'a','1':'b'}\nbest {'0':'a','1':'b'}"), "cloze.mapping.5");
  REQUIRE_ERROR(mappings("nan {'0':'a','1':'b'}"), "cloze.mapping.5");
  REQUIRE_ERROR(mappings("0.5"), "cloze.mapping.5");
  REQUIRE_ERROR(mappings("{'0':'a','1':'b'}\n{'0':'a'"), "cloze.mapping.1");
  REQUIRE_ERROR(read_lmbff_mappings(folder.path() / "absent.txt", binary), "cloze.file.1");
  const auto prompts = [&](std::string_view bytes) { return read_lmbff_prompts(folder.write("p.txt", bytes), binary); };
  CHECK(prompts("*cls**sent_0*_It_was*mask*.*sep+*\t{'0':'a','1':'b'}\n")[0].labels[1].words[0] == "b");
  REQUIRE_ERROR(prompts("*cls**sent_0*_It_was*mask*.*sep+* {'0':'a','1':'b'}\n"), "cloze.mapping.5");
  REQUIRE_ERROR(prompts("*cls**sent_0*_It_was.*sep+*\t{'0':'a','1':'b'}\n"), "cloze.template.5");
  REQUIRE_ERROR(read_lmbff_templates(folder.write("t.txt", "*cls**sent_0**mask**sep+*\n*cls**sent_0**sep+*\n")),
                "cloze.template.5");
}

TEST_CASE("a mapping whose words the tokenizer splits is refused by the verbalizer made of it") {
  const test::ToyTokenizer tokenizer;
  CHECK(WordVerbalizer(tokenizer, parse_lmbff_mapping("{'0':'terrible','1':'great'}", binary)).num_labels() == 2);
  REQUIRE_ERROR(WordVerbalizer(tokenizer, parse_lmbff_mapping("{'0':'unbearable','1':'great'}", binary)),
                "cloze.verbalizer.1");
}

TEST_CASE("LM-BFF's published automatic templates and mappings are all read") {
  const auto root = test::shared_path();
  if (!root || !std::filesystem::exists(*root / "reference/lmbff_auto_mapping_top1.tsv")) {
    WARN("skipped: no reference/lmbff_auto_mapping_top1.tsv in the shared data");
    return;
  }
  const auto rows = [&](const char* name, auto&& use) {
    std::string text = read_file(*root / "reference" / name);
    int count = 0;
    for (std::size_t at = text.find('\n') + 1; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::vector<std::string> fields{""};
      for (const char c : text.substr(at, end - at)) c == '\t' ? fields.emplace_back() : fields.back() += c, void();
      REQUIRE(fields.size() == 4);
      INFO(fields[0] << " " << fields[3]);
      use(tasks::find(fields[0]), fields[3]);
      ++count;
      at = end + 1;
    }
    CHECK(count == 75);
  };
  rows("lmbff_auto_mapping_top1.tsv", [](const Task& task, const std::string& text) {
    const auto labels = parse_lmbff_mapping(text, task.labels());
    CHECK(labels.size() == task.labels().size());
    const bool integers = text.find("{0") == 0;
    CHECK(lmbff_mapping(labels, integers ? MappingKeys::integers : MappingKeys::strings).size() > 10);
    CHECK(words(parse_lmbff_mapping(lmbff_mapping(labels), task.labels())) == words(labels));
  });
  rows("lmbff_auto_template_top1.tsv",
       [](const Task&, const std::string& text) { CHECK(Template::lmbff(text).masks() == 1); });
}
