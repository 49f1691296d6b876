#!/usr/bin/env python3
"""Proves that Hugging Face transformers reads what save_pretrained writes, and answers alike.

usage: check_export.py EXPORT_MODEL KIND=FOLDER...

EXPORT_MODEL is the program built from tests/tools/export_model.cpp; KIND is one of masked_lm, pretraining, classification,
fresh_classification, sentence. Every folder is loaded by cloze and saved again; transformers loads the saved folder,
which must leave no weight missing, unexpected or of another shape, and its answers are compared with cloze's.
Needs torch and transformers.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

CLASSES = {
    "masked_lm": transformers.AutoModelForMaskedLM,
    "pretraining": transformers.BertForPreTraining,
    "classification": transformers.AutoModelForSequenceClassification,
    "fresh_classification": transformers.AutoModelForSequenceClassification,
    "sentence": transformers.AutoModel,
}
# A sentence encoder has no pooler, and needs none.
MAY_BE_MISSING = {"sentence": ("pooler.dense.weight", "pooler.dense.bias")}
TOLERANCE = 1e-5  # of the largest answer


def answer_of(kind, model, ids, segments):
    inputs = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = segments[None]
    result = model(**inputs)
    if kind == "sentence":
        return torch.nn.functional.normalize(result.last_hidden_state[0].mean(0, keepdim=True), dim=1)
    logits = result.prediction_logits if kind == "pretraining" else result.logits
    return logits.reshape(-1, logits.shape[-1])


def check(program, kind, source):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, kind, source, folder], check=True)
        ours = load_file(Path(folder) / "answer.safetensors")
        model, info = CLASSES[kind].from_pretrained(folder, output_loading_info=True)
        model.eval()
        missing = set(info["missing_keys"]) - set(MAY_BE_MISSING.get(kind, ()))
        faults = [f"{name} {sorted(keys)}" for name, keys in
                  (("missing", missing), ("unexpected", info["unexpected_keys"]), ("mismatched", info["mismatched_keys"]))
                  if keys]
        if str(next(model.parameters()).dtype) != "torch.float32":
            faults.append(f"read as {next(model.parameters()).dtype}")
        bounds = ours["cu_seqlens"].tolist()
        with torch.inference_mode():
            theirs = torch.cat([answer_of(kind, model, ours["ids"][begin:end], ours["segments"][begin:end])
                                for begin, end in zip(bounds, bounds[1:])])
        if theirs.shape != ours["answer"].shape:
            faults.append(f"shape {tuple(ours['answer'].shape)}, transformers {tuple(theirs.shape)}")
            error = float("inf")
        else:
            error = float((ours["answer"] - theirs).abs().max() / theirs.abs().max())
            if not error <= TOLERANCE:
                faults.append("answers differ")
    print(f"{kind:20s} {Path(source).name:24s} {type(model).__name__:36s} largest difference {error:.1e}  "
          + ("; ".join(faults) or "equal"), flush=True)
    return not faults


def main():
    if len(sys.argv) < 3 or any(argument.split("=")[0] not in CLASSES for argument in sys.argv[2:]):
        print(__doc__)
        return 2
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    return 0 if all([check(sys.argv[1], *argument.split("=", 1)) for argument in sys.argv[2:]]) else 1


if __name__ == "__main__":
    sys.exit(main())
