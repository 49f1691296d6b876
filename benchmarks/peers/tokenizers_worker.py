"""The side of Hugging Face tokenizers in the benchmarks. RAYON_NUM_THREADS is its number of threads.

  {"do": "tokenize", "tokenizer": FOLDER, "text": FILE, "repeat": N}  -> ms of each, tokens, sum of the ids
FOLDER holds tokenizer.json, or vocab.txt (BERT, lower-cased), or vocab.json and merges.txt (byte-level BPE).
"""
import json
import os
import sys
import time

import tokenizers
from tokenizers.implementations import BertWordPieceTokenizer, ByteLevelBPETokenizer


def load(folder):
    if os.path.exists(f"{folder}/tokenizer.json"):
        return tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    if os.path.exists(f"{folder}/vocab.txt"):
        return BertWordPieceTokenizer(f"{folder}/vocab.txt", lowercase=True)._tokenizer
    return ByteLevelBPETokenizer(f"{folder}/vocab.json", f"{folder}/merges.txt")._tokenizer


def tokenize(request):
    tokenizer = load(request["tokenizer"])
    with open(request["text"], encoding="utf-8", newline="\n") as file:
        lines = file.read().split("\n")
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)  # without offsets where that can be had
    times = []
    for _ in range(request["repeat"]):
        start = time.perf_counter()
        found = encode(lines, add_special_tokens=False)
        times.append(1e3 * (time.perf_counter() - start))
    return {"ms": times, "tokens": sum(len(x.ids) for x in found), "id_sum": sum(sum(x.ids) for x in found)}


for line in sys.stdin:
    try:
        reply = tokenize(json.loads(line))
    except Exception as error:  # noqa: BLE001: the reader of the answer decides
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
