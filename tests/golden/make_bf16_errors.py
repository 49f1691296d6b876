#!/usr/bin/env python3
"""Measures what PyTorch itself loses in bfloat16: the yardstick for our models in BFloat16.

usage: make_bf16_errors.py FOLDER…        (needs torch, transformers and safetensors)

Each FOLDER is one that make_models.py wrote. Its model is run in bfloat16, weights, activations, gradients and AdamW alike, and
compared with golden.safetensors, which is float64. Prints a C++ table of relative errors, ‖found - golden‖ / ‖golden‖: of all hidden states
together, logits, loss, all gradients together, the curve of 20 steps, and the logits after them.
"""
import sys
from pathlib import Path

import torch
import transformers
from safetensors import safe_open

from make_models import MODELS, loss_of

torch.backends.mkldnn.enabled = False  # its matrix units are not on every machine that says it has them


def relative(pairs):
    difference = sum(((found.double() - golden).square().sum() for found, golden in pairs), torch.tensor(0.0))
    return (difference / sum(golden.square().sum() for _, golden in pairs)).sqrt().item()


def measure(folder):
    file = safe_open(folder / "golden.safetensors", "pt")
    golden = {name: file.get_tensor(name) for name in file.keys()}
    model = MODELS[folder.name][1].from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager").train()
    inputs = {name: golden[name] for name in ("input_ids", "attention_mask", "token_type_ids") if name in golden}
    real, labels = golden["attention_mask"] == 1, golden["labels"]

    def of_tokens(x):
        return x[real] if x.ndim == 3 else x

    output = model(**inputs, output_hidden_states=True)
    loss, logits = loss_of(output, labels)
    loss.backward()
    errors = [relative([(of_tokens(hidden.detach()), of_tokens(golden[f"hidden.{k}"])) for k, hidden in enumerate(output.hidden_states)]),
              relative([(of_tokens(logits), of_tokens(golden["logits"]))]), relative([(loss.detach().reshape(1), golden["loss"])]),
              relative([(p.grad, golden[f"grad.{name}"]) for name, p in model.named_parameters()])]
    model.zero_grad()
    groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
              {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=2e-3)
    curve = []
    for _ in range(20):
        loss, _ = loss_of(model(**inputs), labels)
        curve.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    errors += [relative([(torch.tensor(curve), golden["curve"])]),
               relative([(of_tokens(loss_of(model(**inputs), labels)[1]), of_tokens(golden["final_logits"]))])]
    print(f'    {{"{folder.name}", {{{", ".join(f"{error:.2e}" for error in errors)}}}}},')


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(f"// torch {torch.__version__}, transformers {transformers.__version__}")
    for folder in sys.argv[1:]:
        measure(Path(folder))


if __name__ == "__main__":
    main()
