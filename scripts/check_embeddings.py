#!/usr/bin/env python3
"""Proves that SentenceEmbedder gives the vectors of the Python package sentence-transformers.

usage: check_embeddings.py EMBED_LINES ENCODER_FOLDER TEXT_FILE [LINES]

EMBED_LINES is the program built from tests/tools/embed_lines.cpp. ENCODER_FOLDER holds a model whose vectors are the
normalised mean of the last hidden states. The first LINES lines (default: 1000) of TEXT_FILE are embedded by both.
Needs torch and sentence-transformers.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import sentence_transformers
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer, models

TOLERANCE = 1e-5  # of any component of a vector of length 1


def main():
    program, folder, text = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1000
    lines = Path(text).read_text(encoding="utf-8").split("\n")[:count]
    with tempfile.TemporaryDirectory() as work:
        copy, out = Path(work) / "lines.txt", Path(work) / "vectors.safetensors"
        copy.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        subprocess.run([program, folder, copy, out], check=True)
        ours = load_file(out)["embeddings"]
    settings = Path(folder) / "sentence_bert_config.json"
    longest = json.loads(settings.read_text()).get("max_seq_length") if settings.exists() else None
    transformer = models.Transformer(folder, max_seq_length=longest)
    pooling = models.Pooling(transformer.get_word_embedding_dimension(), pooling_mode="mean")
    peer = SentenceTransformer(modules=[transformer, pooling, models.Normalize()], device="cpu")
    peer = peer.float()
    theirs = peer.encode(lines, normalize_embeddings=True, batch_size=64)
    worst = float(numpy.abs(ours - theirs).max())
    print(f"sentence-transformers {sentence_transformers.__version__}: {len(lines)} lines, {ours.shape[1]} components, "
          f"largest difference {worst:.2e}, least cosine {float((ours * theirs).sum(1).min()):.7f}")
    return 0 if ours.shape == theirs.shape and worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
