"""Write tests/text/data/tokenizers.json: small tokenizers of every supported kind and what Hugging Face tokenizers answers.

usage: make_text.py OUT.json [LINES.json [SPIECE.model]]   (needs PyPI: tokenizers, sentencepiece, protobuf)

Each case: name, the tokenizer.json, and for every text its ids, offsets (code points, flat) and the decoded ids. Special
tokens are plain text (encode_special_tokens), nothing is added. LINES.json replaces the texts (a large run, not kept here);
SPIECE.model adds a Unigram tokenizer with its pieces and its character map.
"""
import base64, json, os, random, sys, tempfile
import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import AddedToken, Regex, Tokenizer, decoders as D, models as M, normalizers as N, pre_tokenizers as P
from tokenizers import trainers as T

corpus = """The film was great, and so was the café by the river. We didn't expect it to be this good!
A naïve reader might ask: what's a cloze test? It's a sentence with a gap, and the gap is where the model answers.
Few examples, many words; words within words, unknown words, unwordly words. 1 2 3 12 123 1999 2024.
Über die Brücke ging ein Mädchen. El niño comió piñas. Cafe, resume, role; café, résumé, rôle.
She said: "They're here, I'll go, he'd stay, we've won." It was terrible, terribly terrible. It was great, greatly great.
пример текста, κείμενο, 例文 です, 문장, नमस्ते.""".split("\n")
R = random.Random(7)
blocks = [(0x20, 0x7F), (0x20, 0x7F), (0xA0, 0x180), (0x300, 0x345), (0x400, 0x430), (0x900, 0x950), (0x1100, 0x1200),
          (0x2000, 0x2070), (0x2100, 0x2200), (0x3040, 0x30A0), (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xFB00, 0xFB07),
          (0xFF01, 0xFF60), (0x1F600, 0x1F640)]
texts = ["", " ", "great", " great", "  two  spaces ", "The film was great.", "It's  a\ttest,\r\nisn't it?", "unwordly café",
         "cafe\u0301 CAFÉ İstanbul", "ﬁne ½ ① ㎞ Ⅷ", "a\u0300\u0301b \u0301x", "例文です 文", "각 \u1100\u1161\u11a8", "🙂👩‍👩‍👧 🇫🇷", "<mask> [MASK]</s>",
         "▁a ▁▁b", "x\x00y\ufffdz\u200bw\xad", "great newword newwords  newword!", " spaced ,a~b tilde~", "NEWWORD Lower lower",
         "\u00a0\u3000\u2028", "12,345.67", "'s 'S ''t don't", "ｆｕｌｌ　ｗｉｄｔｈ", "\u1e9b\u0323 \u0344 \u0f73"]
for _ in range(5):
    a, b = R.choice(blocks), R.choice(blocks)
    texts.append("".join(chr(R.randrange(*R.choice((a, b)))) for _ in range(R.randrange(2, 9))))
if len(sys.argv) > 2: texts = json.load(open(sys.argv[2]))

special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
brackets = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def wordpiece(size=200):
    tk = Tokenizer(M.WordPiece(unk_token="[UNK]"))
    tk.normalizer, tk.pre_tokenizer = N.BertNormalizer(), P.BertPreTokenizer()
    tk.train_from_iterator(corpus, T.WordPieceTrainer(vocab_size=size, special_tokens=brackets, show_progress=False))
    tk.decoder = D.WordPiece()
    return tk


def bpe(size=350, normalizer=None, **options):
    tk = Tokenizer(M.BPE(**options))
    tk.normalizer, tk.pre_tokenizer, tk.decoder = normalizer, P.ByteLevel(add_prefix_space=False), D.ByteLevel()
    tk.train_from_iterator(corpus, T.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False,
                                                initial_alphabet=P.ByteLevel.alphabet()))
    return tk


def unigram(size=160, byte_fallback=False):
    tk = Tokenizer(M.Unigram())
    tk.pre_tokenizer = P.Metaspace()
    tk.train_from_iterator(corpus, T.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token="<unk>",
                                                    show_progress=False))
    state = json.loads(tk.to_str())
    vocab = [tuple(v) for v in state["model"]["vocab"]]
    if byte_fallback: vocab += [(f"<0x{b:02X}>", -20.0) for b in range(256)]
    tk = Tokenizer(M.Unigram(vocab, unk_id=state["model"]["unk_id"], byte_fallback=byte_fallback))
    tk.pre_tokenizer, tk.decoder = P.Metaspace(), D.Metaspace()
    return tk


def charsmap():
    """A small one of our own: full width, ligatures, composed letters, some characters dropped."""
    rules = {chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)}
    rules |= {"ﬁ": "fi", "ﬃ": "ffi", "½": "1/2", "①": "1", "e\u0301": "é", "a\u0300": "à", "\u200b": "", "\xad": "", "\u3000": " ",
              "\u00a0": " ", "\t": " ", "\n": " ", "\r\n": " ", "…": "...", "A\u030a": "Å", "㎞": "km"}
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/rules.tsv", "w") as f:
            for k, v in rules.items():
                f.write(" ".join(f"{ord(c):X}" for c in k) + "\t" + " ".join(f"{ord(c):X}" for c in v) + "\n")
        spm.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_prefix=f"{folder}/m", vocab_size=150,
                                       normalization_rule_tsv=f"{folder}/rules.tsv", minloglevel=2, hard_vocab_limit=False)
        proto = pb.ModelProto.FromString(open(f"{folder}/m.model", "rb").read())
    return proto.normalizer_spec.precompiled_charsmap


def with_parts(tk, normalizer=None, pre_tokenizer=None, decoder=None):
    if normalizer is not None: tk.normalizer = normalizer
    if pre_tokenizer is not None: tk.pre_tokenizer = pre_tokenizer
    if decoder is not None: tk.decoder = decoder
    return tk


def with_added(tk):
    tk.add_tokens([AddedToken("newword", single_word=True, normalized=True), AddedToken("~", lstrip=True, rstrip=True, normalized=False),
                   AddedToken("Lower", normalized=True), AddedToken("ea", normalized=False), AddedToken("two words", rstrip=True)])
    tk.add_special_tokens([AddedToken("<great>", special=True)])
    return tk


xlm = N.Sequence([N.Precompiled(charsmap()), N.Replace(Regex(" {2,}"), " ")])
cases = {
    "bert": wordpiece(),
    "bert cased, accents stripped": with_parts(wordpiece(), N.BertNormalizer(lowercase=False, strip_accents=True)),
    "bert lower, accents kept": with_parts(wordpiece(), N.BertNormalizer(lowercase=True, strip_accents=False)),
    "bert without cleaning": with_parts(wordpiece(), N.BertNormalizer(clean_text=False, handle_chinese_chars=False)),
    "bert added": with_added(wordpiece()),
    "wordpiece nfd": with_parts(wordpiece(), N.Sequence([N.NFD(), N.Lowercase(), N.StripAccents()]), P.Whitespace(),
                                D.WordPiece(prefix="##", cleanup=False)),
    "wordpiece punctuation removed": with_parts(wordpiece(), N.Sequence([N.Strip(), N.NFKC()]), P.Sequence(
        [P.WhitespaceSplit(), P.Punctuation("removed")])),
    "wordpiece punctuation before": with_parts(wordpiece(), N.Strip(left=False), P.Sequence(
        [P.Punctuation("merged_with_previous"), P.WhitespaceSplit()])),
    "wordpiece punctuation behind": with_parts(wordpiece(), N.NFKD(), P.Sequence(
        [P.Punctuation("merged_with_next"), P.WhitespaceSplit()])),
    "wordpiece punctuation together": with_parts(wordpiece(), N.Sequence([N.Replace("a", "bcd"), N.Replace("th", "")]), P.Sequence(
        [P.WhitespaceSplit(), P.Punctuation("contiguous")])),
    "bytes": bpe(),
    "bytes nfc": bpe(normalizer=N.NFC()),
    "bytes prefix": with_parts(bpe(), pre_tokenizer=P.ByteLevel(add_prefix_space=True)),
    "bytes whole": with_parts(bpe(ignore_merges=True), N.Prepend("_"), P.ByteLevel(add_prefix_space=False, use_regex=False)),
    "bytes added": with_added(bpe()),
    "bytes after punctuation": with_parts(bpe(), pre_tokenizer=P.Sequence([P.Punctuation(), P.ByteLevel(add_prefix_space=True)])),
    "unigram": unigram(),
    "unigram like xlm": with_parts(unigram(), xlm, P.Sequence([P.WhitespaceSplit(), P.Metaspace()])),
    "unigram nfkc first": with_parts(unigram(), N.NFKC(), P.Metaspace(prepend_scheme="first"), D.Metaspace(prepend_scheme="first")),
    "unigram never, one piece": with_parts(unigram(), N.NFC(), P.Metaspace(prepend_scheme="never", split=False),
                                           D.Metaspace(prepend_scheme="never")),
    "unigram bytes": unigram(byte_fallback=True),
    "unigram added": with_added(unigram()),
}
if len(sys.argv) > 3:
    proto = pb.ModelProto.FromString(open(sys.argv[3], "rb").read())
    tk = Tokenizer(M.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=proto.trainer_spec.unk_id))
    tk.decoder = D.Metaspace()
    spec = N.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    cases["spiece"] = with_parts(tk, N.Sequence([spec, N.Replace(Regex(" {2,}"), " ")]), P.Metaspace())
    cases["spiece split"] = with_parts(Tokenizer.from_str(tk.to_str()), None, P.Sequence([P.WhitespaceSplit(), P.Metaspace()]))

out = {"texts": texts, "cases": []}
for name, tk in cases.items():
    tk.encode_special_tokens = True
    e = tk.encode_batch(texts, add_special_tokens=False)
    out["cases"].append({
        "name": name, "tokenizer": json.loads(tk.to_str()), "ids": [x.ids for x in e],
        "offsets": [[v for pair in x.offsets for v in pair] for x in e],
        # tokenizers 0.23 decodes a normalised added token to its normalised spelling; the library keeps the file's.
        "decoded": [None if tk.token_to_id("Lower") in x.ids else tk.decode(x.ids, skip_special_tokens=False) for x in e]})
with open(sys.argv[1], "w") as f: json.dump(out, f, separators=(",", ":"))
print(len(cases), "cases", len(texts), "texts", os.path.getsize(sys.argv[1]), "bytes")
