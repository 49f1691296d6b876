#!/usr/bin/env python3
"""The mean of a trained model's weights and its ancestor's.

usage: average.py TRAINED ANCESTOR OUT          (needs numpy and safetensors)

Both are Hugging Face folders of BERT masked LMs of one shape; OUT has TRAINED's vocabulary, which is a part of ANCESTOR's.
"""
import shutil
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from add_entries import VOCABULARY_TENSORS, entries_of


def main():
    trained, ancestor, out = map(Path, sys.argv[1:])
    weights, older = load_file(trained / "model.safetensors"), load_file(ancestor / "model.safetensors")
    row = {token: index for index, token in enumerate(entries_of(ancestor))}
    rows = [row[token] for token in entries_of(trained)]
    for name, weight in weights.items():
        before = older[name].astype(np.float32)
        weights[name] = (weight + (before[rows] if name in VOCABULARY_TENSORS else before)) / 2
    out.mkdir(parents=True, exist_ok=True)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    for name in ("vocab.txt", "config.json", "tokenizer_config.json"):
        shutil.copy(trained / name, out)


if __name__ == "__main__":
    main()
