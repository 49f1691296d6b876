#!/usr/bin/env python3
"""Writes tests/autograd/data/losses.json: losses and their gradients as PyTorch computes them in double.

usage: make_losses.py OUTPUT    (needs torch)

Each case holds its inputs, the options, the loss, and d(sum of the loss weighted by 1, 2, 3, …)/d(input) and /d(target).
"""
import json
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(42)


def tensor(t):
    return {"shape": list(t.shape), "values": [float(f"{v:.14g}") for v in t.detach().flatten().tolist()]}


def rounded(t):
    return torch.round(t, decimals=3)  # short in the file, and the same number when read back


def case(op, function, x, target, **options):
    x = x.clone().requires_grad_(True)
    soft = torch.is_floating_point(target)
    target = target.clone().requires_grad_(soft)
    loss = function(x, target)
    weights = torch.arange(1, loss.numel() + 1, dtype=torch.float64).reshape(loss.shape)
    (loss * weights).sum().backward()
    entry = {"op": op, **options, "x": tensor(x), "loss": tensor(loss), "dx": tensor(x.grad)}
    if soft:
        entry["target"] = tensor(target)
        entry["dtarget"] = tensor(target.grad)
    else:
        entry["labels"] = target.tolist()
    return entry


def cross_entropies():
    for n, c in ((1, 1), (3, 5), (16, 2), (2, 17)):
        x = rounded(3 * torch.randn(n, c))
        labels = torch.randint(0, c, (n,))
        some = labels.clone()
        some[1::2] = -100
        second = labels.clone()
        second[n // 2:] = 0
        second[0] = c - 1
        soft = rounded(torch.softmax(torch.randn(n, c), -1))
        for reduction in ("mean", "sum", "none"):
            for smoothing in (0.0, 0.1, 1.0):
                for target, ignore in ((labels, -100), (some, -100), (second, 0)):
                    if bool((target == ignore).all()):
                        continue
                    yield case("cross_entropy",
                               lambda a, t: F.cross_entropy(a, t, ignore_index=ignore, label_smoothing=smoothing,
                                                            reduction=reduction),
                               x, target, reduction=reduction, label_smoothing=smoothing, ignore_index=ignore)
                yield case("cross_entropy",
                           lambda a, t: F.cross_entropy(a, t, label_smoothing=smoothing, reduction=reduction),
                           x, soft, reduction=reduction, label_smoothing=smoothing)


def pointwise():
    for n, c in ((1, 1), (3, 5), (2, 17)):
        x = rounded(4 * torch.randn(n, c))
        soft = rounded(torch.softmax(torch.randn(n, c), -1))
        for reduction in ("mean", "sum", "none"):
            yield case("bce_with_logits", lambda a, t: F.binary_cross_entropy_with_logits(a, t, reduction=reduction), x,
                       rounded(torch.rand(n, c)), reduction=reduction)
            yield case("mse", lambda a, t: F.mse_loss(a, t, reduction=reduction), x,
                       rounded(torch.randn(n, c)), reduction=reduction)
        for reduction in ("batchmean", "mean", "sum", "none"):
            yield case("kl_div", lambda a, t: F.kl_div(a, t, reduction=reduction),
                       rounded(torch.log_softmax(x, -1)), soft,
                       reduction=reduction)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    cases = [*cross_entropies(), *pointwise()]
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write('{"made_by": "tests/golden/make_losses.py", "torch": "%s", "cases": [\n' % torch.__version__.split("+")[0])
        file.write(",\n".join(json.dumps(entry) for entry in cases))
        file.write("\n]}\n")
    print(f"{len(cases)} cases")
