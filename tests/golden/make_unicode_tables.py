"""Write include/cloze/text/unicode_tables.hpp and tests/text/data/unicode_classes.json.

usage: make_unicode_tables.py REPOSITORY   (needs PyPI: tokenizers; and the library libutf8proc.so.2)

Hugging Face's tokenizers uses other Unicode versions than utf8proc, another one for nearly every operation. Every code
point is put through its normalizers and pre-tokenizers one by one; the header holds where utf8proc answers differently,
the JSON what tokenizers answers (the test's independent truth). Where the answer is "no", ranges run on over code points
that utf8proc does not know, so that a newer utf8proc does not change the ids.
"""
import ctypes, json, sys
from tokenizers import normalizers as N, pre_tokenizers as P, __version__

root = sys.argv[1]
lib = ctypes.CDLL("libutf8proc.so.2")
libc = ctypes.CDLL(None)
lib.utf8proc_category_string.restype = ctypes.c_char_p
lib.utf8proc_unicode_version.restype = ctypes.c_char_p
STABLE, COMPAT, COMPOSE, DECOMPOSE = 2, 4, 8, 16
points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
category = {c: lib.utf8proc_category_string(c).decode() for c in points}


def mapped(c, options):
    out = ctypes.c_void_p()
    raw = chr(c).encode()
    size = lib.utf8proc_map(raw, ctypes.c_ssize_t(len(raw)), ctypes.byref(out), options)
    text = ctypes.string_at(out, size).decode()
    libc.free(out)
    return text


def ranges(wanted, free=frozenset()):
    """[first, last] pairs covering `wanted`; a gap made only of `free` points does not end a range."""
    result = []
    for c in sorted(wanted):
        if result and all(g in free for g in range(result[-1][1] + 1, c)):
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def answers(normalizer):
    return {c: normalizer.normalize_str(chr(c)) for c in points}


def splits(pre_tokenizer, around):
    return {c: tuple(s for _, s in pre_tokenizer.pre_tokenize_str(around + chr(c) + around)) for c in points}


joined, isolated, removed = ((0, 3),), ((0, 1), (1, 2), (2, 3)), ((0, 1), (2, 3))
byte_level = P.ByteLevel(add_prefix_space=False)
letters, numbers = splits(byte_level, "a"), splits(byte_level, "1")
words = splits(P.Whitespace(), "a")
marks8 = answers(N.BertNormalizer(False, False, True, False))
marks9 = answers(N.StripAccents())
clean = answers(N.BertNormalizer(True, False, False, False))
cjk = answers(N.BertNormalizer(False, True, False, False))
lower = answers(N.Lowercase())
nfd, nfkd, nfc, nfkc = answers(N.NFD()), answers(N.NFKD()), answers(N.NFC()), answers(N.NFKC())

# class: (what tokenizers says, what utf8proc says)
cat = category
classes = {
    "letter": ({c for c in points if letters[c] == joined}, {c for c in points if cat[c][0] == "L"}),
    "number": ({c for c in points if numbers[c] == joined}, {c for c in points if cat[c][0] == "N"}),
    "word": ({c for c in points if words[c] == joined},
             {c for c in points if cat[c][0] in "LM" or cat[c] in ("Nd", "Nl", "Pc")}),
    "punctuation": ({c for c, s in splits(P.Punctuation(), "a").items() if s == isolated},
                    {c for c in points if cat[c][0] == "P" or (c < 128 and cat[c][0] == "S")}),
    "nonspacing": ({c for c in points if marks8[c] == "" or (nfd[c] != chr(c) and cat[c] == "Mn")},
                   {c for c in points if cat[c] == "Mn"}),
    "mark": ({c for c in points if marks9[c] == ""}, {c for c in points if cat[c][0] == "M"}),
    "control": ({c for c in points if clean[c] == "" and c not in (0, 0xFFFD)} | {0},
                {c for c in points if cat[c] in ("Cc", "Cf", "Co")} - {9, 10, 13}),
}
space = {c for c, s in splits(P.WhitespaceSplit(), "a").items() if s == removed}
assert space == {c for c in points if words[c] == removed}
assert {c for c, s in splits(P.BertPreTokenizer(), "a").items() if s == isolated} == classes["punctuation"][0]
assert answers(N.BertNormalizer(False, False, False, True)) == lower

unknown = {c for c in points if cat[c] == "Cn"} | set(range(0xD800, 0xE000))
tables = []
for name, (wanted, found) in classes.items():
    tables.append((f"{name}_added", ranges(wanted - found)))
    # Unknown code points are free only next to a difference: the tables stay small.
    tables.append((f"{name}_removed", ranges(found - wanted, unknown - wanted)))

# Decompositions that are younger than tokenizers' tables; marks whose combining class is.
plain = {c for c in points if nfd[c] == chr(c) != mapped(c, STABLE | DECOMPOSE)}
compat = {c for c in points if nfkd[c] == chr(c) != mapped(c, STABLE | DECOMPOSE | COMPAT)} - plain
assert all(nfd[c] == mapped(c, STABLE | DECOMPOSE) for c in points if c not in plain)
assert all(nfkd[c] == mapped(c, STABLE | DECOMPOSE | COMPAT) for c in points if c not in plain | compat)


class Property(ctypes.Structure):
    _fields_ = [("category", ctypes.c_int16), ("combining_class", ctypes.c_int16)]


lib.utf8proc_get_property.restype = ctypes.POINTER(Property)
ordered = {c for c in points if lib.utf8proc_get_property(c).contents.combining_class}
nfd_of = N.NFD().normalize_str
unordered = {c for c in ordered if nfd[c] == chr(c) and nfd_of("a\u0345" + chr(c)) == "a\u0345" + chr(c)
             and lib.utf8proc_get_property(c).contents.combining_class < 240}
late = {c for c in points if c not in ordered and nfd_of("a\u0345" + chr(c)) == "a" + chr(c) + "\u0345"}
assert not late, late
tables += [("no_decomposition", ranges(plain)), ("no_compatibility_decomposition", ranges(compat, unknown)),
           ("no_combining_class", ranges(unordered, unknown))]

# Lower case: [first, last, difference]; U+0130 becomes two code points and is code, not table.
deltas = []
for c in points:
    if c == 0x130:
        assert lower[c] == "i\u0307"
        continue
    assert len(lower[c]) == 1
    if ord(lower[c]) != lib.utf8proc_tolower(c):
        d = ord(lower[c]) - c
        if deltas and deltas[-1][1] == c - 1 and deltas[-1][2] == d:
            deltas[-1][1] = c
        else:
            deltas.append([c, c, d])


def table(name, rows):
    body = ", ".join("{" + ", ".join(hex(v) if i < 2 else str(v) for i, v in enumerate(r)) + "}" for r in rows)
    kind = "CaseRange" if rows and len(rows[0]) == 3 else "CodeRange"
    return f"inline constexpr std::array<{kind}, {len(rows)}> {name}{{{{{body}}}}};\n"


with open(f"{root}/include/cloze/text/unicode_tables.hpp", "w") as f:
    f.write(f"""// Where Hugging Face tokenizers answers otherwise than utf8proc: generated by tests/golden/make_unicode_tables.py
// from tokenizers {__version__} and utf8proc with Unicode {lib.utf8proc_unicode_version().decode()}. Do not edit.
#pragma once

#include <array>

namespace cloze::detail {{

/// Code points first..last, both included.
struct CodeRange {{
  char32_t first, last;
}};

/// Code points first..last and what to add for their lower case.
struct CaseRange {{
  char32_t first, last;
  int difference;
}};

namespace unicode_tables {{

""")
    for name, rows in tables:
        f.write(table(name, rows))
    f.write(table("lower_case", deltas))
    f.write("\n}  // namespace unicode_tables\n\n}  // namespace cloze::detail\n")


def digest(answer):
    """One hash over every code point's answer, in order: FNV-1a (64 bits) of its UTF-8 and a zero byte."""
    h = 0xCBF29CE484222325
    for c in points:
        for b in answer[c].encode() + b"\0":
            h = (h ^ b) * 0x100000001B3 % 2**64
    return f"{h:016x}"


fixture = {name: ranges(wanted) for name, (wanted, _) in classes.items()}
fixture["space"] = ranges(space)
fixture["cjk"] = ranges({c for c in points if cjk[c] != chr(c)})
fixture["hashes"] = {"lower": digest(lower), "nfd": digest(nfd), "nfc": digest(nfc), "nfkd": digest(nfkd),
                     "nfkc": digest(nfkc), "clean": digest(clean), "strip_accents": digest(marks8)}
with open(f"{root}/tests/text/data/unicode_classes.json", "w") as f:
    json.dump(fixture, f, separators=(",", ":"))
print({n: len(r) for n, r in tables}, deltas)
