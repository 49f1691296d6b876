// Tables: whatever the bytes, an Error or rows that say the same when they are written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/data/csv.hpp>
#include <cloze/data/jsonl.hpp>
#include <cloze/data/tsv.hpp>

namespace {

using namespace cloze;

void check_csv(std::string_view text) {
  const auto rows = parse_csv(text, "fuzz.csv");
  std::string written;
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.fields.size(); ++i)
      written += csv_field(row.fields[i]) + (i + 1 < row.fields.size() ? "," : "\n");
  const auto again = parse_csv(written, "again.csv");
  if (again.size() != rows.size()) std::abort();
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (again[i].fields != rows[i].fields) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool header = (data[0] & 4) != 0;
  const Columns columns{.text_a = 1, .label = 0, .labels = {"0", "1"}, .header = header};
  try {
    detail::check_utf8(bytes, "fuzz");
    const std::string_view text = detail::without_bom(bytes);
    switch (data[0] % 4) {
      case 0:
        check_csv(text);
        detail::read_rows(parse_csv(text, "fuzz.csv"), columns, "fuzz.csv");
        break;
      case 1:
        detail::read_rows(parse_tsv(text), columns, "fuzz.tsv");
        break;
      case 2:
        detail::read_rows(parse_tsv(text), {.text_a = "a", .score = -1, .bounds = Bounds{0, 5}, .header = header},
                          "fuzz.tsv");
        break;
      default:
        parse_jsonl(text, {.text_a = "a", .label = "y", .meta = {{"m", "m"}}, .labels = {"0", "1"}}, "fuzz.jsonl");
    }
  } catch (const Error&) {
  }
  return 0;
}
