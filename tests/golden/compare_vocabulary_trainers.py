#!/usr/bin/env python3
"""Trains vocabularies with Hugging Face tokenizers and compares them with ours.

usage: compare_vocabulary_trainers.py CORPUS HELDOUT FOLDER KIND

FOLDER holds what our trainer (KIND wordpiece or bpe) wrote with save_pretrained from the lines of CORPUS, and ids.txt: the
ids that our tokenizer gives each line of HELDOUT. Says how many tokens a word costs with each vocabulary, how many tokens
the vocabularies share, and whether Hugging Face gives the same ids with our files.
"""
import sys
import time
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers


def theirs(corpus, kind, size):
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=size, min_frequency=2, limit_alphabet=1000, show_progress=False,
            special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size, min_frequency=2, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def main():
    corpus, heldout, folder, kind = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    lines = [line for line in heldout.read_text(encoding="utf-8").split("\n") if line.strip()]
    ours = Tokenizer.from_file(str(folder / "tokenizer.json"))
    size = ours.get_vocab_size()
    start = time.monotonic()
    other = theirs((line for line in corpus.read_text(encoding="utf-8").split("\n") if line.strip()), kind, size)
    seconds = time.monotonic() - start
    words = sum(len(line.split()) for line in lines)

    def cost(tokenizer):
        return sum(len(e.ids) for e in tokenizer.encode_batch(lines, add_special_tokens=False)) / words

    mine, reference = cost(ours), cost(other)
    shared = len(set(ours.get_vocab()) & set(other.get_vocab()))
    print(f"{kind}, {size} tokens (Hugging Face tokenizers {tokenizers.__version__}: {other.get_vocab_size()}, trained in {seconds:.1f} s)")
    print(f"tokens per word on {words} held-out words: ours {mine:.4f}, theirs {reference:.4f}, "
          f"difference {100 * (mine / reference - 1):+.3f} %; tokens in both: {100 * shared / size:.2f} %")
    found = [[int(i) for i in line.split()] for line in (folder / "ids.txt").read_text().splitlines()]
    wanted = [e.ids for e in ours.encode_batch(lines, add_special_tokens=False)]
    equal = sum(a == b for a, b in zip(found, wanted))
    print(f"lines with the same ids by Hugging Face from our file: {equal} of {len(lines)}")
    decoded = ours.decode(ours.encode(lines[0]).ids)
    print("decoded by Hugging Face:", decoded[:80])
    return 0 if equal == len(lines) == len(found) and abs(mine / reference - 1) < 0.02 else 1


if __name__ == "__main__":
    sys.exit(main())
