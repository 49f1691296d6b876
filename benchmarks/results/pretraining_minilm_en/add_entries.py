#!/usr/bin/env python3
"""Gives a trained model another part of the vocabulary that its ancestor had.

usage: add_entries.py TRAINED ANCESTOR VOCABULARY OUT          (needs numpy and safetensors)

TRAINED and ANCESTOR are Hugging Face folders of BERT masked LMs of one shape. Each entry of the file VOCABULARY gets
TRAINED's embedding and bias where it has the entry, else ANCESTOR's; all other weights are TRAINED's.
"""
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

VOCABULARY_TENSORS = ["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"]  # one row an entry


def entries_of(path):
    """The entries of a vocabulary, a file or the one in a folder."""
    return (path / "vocab.txt" if path.is_dir() else path).read_text(encoding="utf-8").splitlines()


def main():
    trained, ancestor, vocabulary, out = map(Path, sys.argv[1:])
    entries = entries_of(vocabulary)
    weights, older = load_file(trained / "model.safetensors"), load_file(ancestor / "model.safetensors")
    rows, older_rows = ({token: row for row, token in enumerate(entries_of(folder))} for folder in (trained, ancestor))
    added = [token for token in entries if token not in rows]
    for name in VOCABULARY_TENSORS:
        both = [older[name][older_rows[token]].astype(np.float32) for token in rows]
        moved = np.linalg.norm(weights[name] - both) / np.linalg.norm(both)
        print(f"{name}: since the ancestor, the common rows have moved by {100 * moved:.1f} % of their size")
        weights[name] = np.stack([weights[name][rows[token]] if token in rows
                                  else older[name][older_rows[token]].astype(np.float32) for token in entries])
    out.mkdir(parents=True, exist_ok=True)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(vocabulary, out / "vocab.txt")
    shutil.copy(trained / "tokenizer_config.json", out)
    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    config["vocab_size"] = len(entries)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    print(f"{out}: {len(entries)} entries, added: {' '.join(added)}; dropped: {' '.join(set(rows) - set(entries))}")


if __name__ == "__main__":
    main()
