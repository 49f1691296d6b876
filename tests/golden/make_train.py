#!/usr/bin/env python3
"""Writes tests/train/data/{optim,schedules,metrics}.json: what PyTorch's optimizers, Hugging Face's schedules and
scikit-learn's and SciPy's metrics answer.

usage: make_train.py     (needs torch, transformers, scikit-learn, scipy, numpy)
"""
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from sklearn import metrics
from transformers import (get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup,
                          get_linear_schedule_with_warmup)

OUT = Path(__file__).resolve().parent.parent / "train" / "data"
STEPS = 20


def starts():
    """The two parameters that every run begins with: a matrix [5, 3] and a vector [7]."""
    i = np.arange(22, dtype=np.float64)
    values = np.sin(1.3 * i + 0.4) * (1 + 0.1 * i)
    return [values[:15].reshape(5, 3), values[15:]]


def gradients(step):
    """Gradients given by formula, so that the test computes the same ones: uneven, some tiny, some zero."""
    i = np.arange(22, dtype=np.float64)
    g = np.cos(0.7 * i * (step + 1)) * np.where(i % 5 == 0, 1e-6, 1.0) * (i % 7 != 3)
    return [g[:15].reshape(5, 3), g[15:]]


def run(make, schedule=None):
    parameters = [torch.nn.Parameter(torch.tensor(x)) for x in starts()]
    optimizer = make(parameters)
    for step in range(STEPS):
        for parameter, gradient in zip(parameters, gradients(step)):
            parameter.grad = torch.tensor(gradient)
        if schedule:
            for group in optimizer.param_groups:
                group["lr"] = group["base"] * schedule(step)
        optimizer.step()
    return [x for p in parameters for x in p.detach().flatten().tolist()]


def optim():
    adamw, sgd = torch.optim.AdamW, torch.optim.SGD
    groups = lambda ps: [{"params": ps[:1], "lr": 0.01, "weight_decay": 0.3}, {"params": ps[1:], "lr": 0.05, "weight_decay": 0.0}]
    scheduled = lambda ps: [{"params": ps[:1], "lr": 0.01, "base": 0.01}, {"params": ps[1:], "lr": 0.01, "base": 0.01}]
    return {
        "start": [x for part in starts() for x in part.flatten().tolist()],
        "adamw_plain": run(lambda ps: adamw(ps, lr=0.01, weight_decay=0)),
        "adamw_decay": run(lambda ps: adamw(ps, lr=0.02, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)),
        "adamw_groups": run(lambda ps: adamw(groups(ps))),
        "adamw_linear": run(lambda ps: adamw(scheduled(ps), weight_decay=0.01), lambda s: max(0, (20 - s) / 20)),
        "sgd_plain": run(lambda ps: sgd(ps, lr=0.1)),
        "sgd_momentum": run(lambda ps: sgd(ps, lr=0.1, momentum=0.9, weight_decay=0.05)),
        "sgd_dampening": run(lambda ps: sgd(ps, lr=0.1, momentum=0.9, dampening=0.3)),
        "sgd_nesterov": run(lambda ps: sgd(ps, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.01)),
    }


def factors(make, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def schedules():
    made = []
    for total, warmup in [(20, 0), (20, 5), (20, 20), (1, 0), (10, 1), (0, 0), (7, 12)]:
        steps = total + 5
        made.append({
            "total": total, "warmup": warmup,
            "constant": factors(lambda o: get_constant_schedule_with_warmup(o, warmup), steps),
            "linear": factors(lambda o: get_linear_schedule_with_warmup(o, warmup, total), steps),
            "cosine": factors(lambda o: get_cosine_schedule_with_warmup(o, warmup, total), steps),
            "cosine_two": factors(lambda o: get_cosine_schedule_with_warmup(o, warmup, total, num_cycles=2), steps),
        })
    return made


def classification():
    random = np.random.default_rng(5)
    cases = [([0, 1, 1, 0, 1], [0, 1, 0, 0, 1]), ([1], [1]), ([1], [0]), ([0, 0, 0], [0, 0, 0]), ([0, 0, 0], [0, 1, 1]),
             ([1, 1, 1], [0, 1, 0]), ([2, 2, 0], [2, 0, 0]), ([0, 1], [1, 0]), ([3, 0, 3], [5, 0, 3])]
    for classes, n in [(2, 16), (2, 501), (3, 100), (6, 300)]:
        labels = random.integers(0, classes, n)
        predictions = np.where(random.random(n) < 0.6, labels, random.integers(0, classes, n))
        cases.append((predictions.tolist(), labels.tolist()))
    return [{
        "predictions": p, "labels": y,
        "accuracy": metrics.accuracy_score(y, p),
        "f1": metrics.f1_score(np.array(y) == 1, np.array(p) == 1, zero_division=0),
        "f1_macro": metrics.f1_score(y, p, average="macro", zero_division=0),
        "matthews": metrics.matthews_corrcoef(y, p),
    } for p, y in cases]


def correlations():
    random = np.random.default_rng(6)
    cases = [([1, 2], [3, 1]), ([1, 2, 3], [1, 2, 3]), ([1, 1, 2, 2], [1, 2, 1, 2]), ([5, 5, 5], [1, 2, 3]),
             ([1, 2, 3], [0, 0, 0]), ([1e150, 2e150, -3e150], [1, 2, 3]), ([1e-150, 2e-150, 5e-150], [3, 2, 2.5]),
             ([1e8 + 1, 1e8 + 2, 1e8 + 4], [1, 2, 3])]
    for n, step in [(3, 1), (16, 0.5), (100, 0.25), (1000, 0)]:
        x = random.normal(size=n)
        y = 0.5 * x + random.normal(size=n)
        if step:  # ties
            x, y = np.round(x / step) * step, np.round(y / step) * step
        cases.append((x.tolist(), y.tolist()))
    def answer(value):
        return None if np.isnan(value) else float(value)
    return [{"x": x, "y": y, "pearson": answer(stats.pearsonr(x, y)[0]), "spearman": answer(stats.spearmanr(x, y)[0])}
            for x, y in ((list(map(float, x)), list(map(float, y))) for x, y in cases)]


def main():
    warnings.simplefilter("ignore")
    OUT.mkdir(parents=True, exist_ok=True)
    for name, value in [("optim", optim()), ("schedules", schedules()),
                        ("metrics", {"classification": classification(), "correlations": correlations()})]:
        (OUT / f"{name}.json").write_text(json.dumps(value) + "\n")


if __name__ == "__main__":
    main()
