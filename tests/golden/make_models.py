#!/usr/bin/env python3
"""Makes tests/golden/models: tiny random models and what Hugging Face transformers computes with them in float64.

usage: make_models.py OUT_FOLDER        (needs torch, transformers and safetensors)

OUT_FOLDER/NAME holds config.json and model.safetensors as save_pretrained writes them, and golden.safetensors:
  input_ids, attention_mask, token_type_ids (BERT)   [batch, length], padded on the right
  labels            [batch, length], -100 where nothing is scored; [batch] for classification
  next_sentence_label  [batch], pretraining only
  hidden.K          [batch, length, hidden]   embeddings (0) and the output of every layer
  logits            [batch, length, vocab] or [batch, labels];  seq_relationship_logits [batch, 2] for pretraining
  loss              [1]  mean cross entropy of what is scored (pretraining: the sum of both heads' means)
  grad.NAME         its gradient for every parameter
  curve             [20] the losses of 20 AdamW steps (lr 2e-3, decay 0.01 for matrices only), dropout 0
  final_logits      logits after them
"""
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

VOCAB, LENGTHS, LABELS = 43, [9, 1, 21, 4], 3
SIZES = dict(vocab_size=VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
             max_position_embeddings=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=LABELS)
DISTIL = dict(vocab_size=VOCAB, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=32, dropout=0.0,
              attention_dropout=0.0, seq_classif_dropout=0.0, num_labels=LABELS)
BERT = transformers.BertConfig(**SIZES)
ROBERTA = transformers.RobertaConfig(**SIZES, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5)
DISTILBERT = transformers.DistilBertConfig(**DISTIL)
MODELS = {
    "bert": (BERT, transformers.BertForMaskedLM),
    "bert_pretraining": (BERT, transformers.BertForPreTraining),
    "bert_classification": (BERT, transformers.BertForSequenceClassification),
    "roberta": (ROBERTA, transformers.RobertaForMaskedLM),
    "roberta_classification": (ROBERTA, transformers.RobertaForSequenceClassification),
    "distilbert": (DISTILBERT, transformers.DistilBertForMaskedLM),
    "distilbert_classification": (DISTILBERT, transformers.DistilBertForSequenceClassification),
}
NEXT_SENTENCE = torch.tensor([1, 0, 0, 1])


def make_inputs(config, per_token, generator):
    shape = (len(LENGTHS), max(LENGTHS))
    mask = torch.tensor([[int(i < length) for i in range(shape[1])] for length in LENGTHS])
    ids = torch.randint(5, VOCAB, shape, generator=generator).where(mask == 1, torch.tensor(config.pad_token_id))
    inputs = {"input_ids": ids, "attention_mask": mask}
    if getattr(config, "type_vocab_size", 0) == 2:
        inputs["token_type_ids"] = (torch.arange(shape[1])[None] >= torch.tensor(LENGTHS)[:, None] // 2) * mask
    if not per_token:
        return inputs, torch.arange(len(LENGTHS)) % LABELS
    scored = (torch.rand(shape, generator=generator) < 0.3) & (mask == 1)
    scored[:, 0] = True
    labels = torch.randint(5, VOCAB, shape, generator=generator)
    return inputs, labels.where(scored, torch.tensor(-100))


def loss_of(output, labels):
    logits = output.prediction_logits if "prediction_logits" in output else output.logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten())
    if "prediction_logits" in output:
        loss = loss + torch.nn.functional.cross_entropy(output.seq_relationship_logits, NEXT_SENTENCE)
    return loss, logits.detach()


def make(folder, config, cls):
    generator = torch.Generator().manual_seed(2024)
    config._attn_implementation = "eager"
    model = cls(config)
    with torch.no_grad():  # every term must show: no zero bias, no unit norm; values that float32 holds exactly
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_((noise * (0.25 if parameter.ndim > 1 else 0.1)
                             + (parameter.mean().round() if parameter.ndim == 1 else 0)).bfloat16())
    model.tie_weights()
    model.save_pretrained(folder)
    model = model.double().train()
    inputs, labels = make_inputs(config, "Classification" not in cls.__name__, generator)
    golden = {**inputs, "labels": labels}

    output = model(**inputs, output_hidden_states=True)
    loss, golden["logits"] = loss_of(output, labels)
    loss.backward()
    golden["loss"] = loss.detach().reshape(1)
    for k, hidden in enumerate(output.hidden_states):
        golden[f"hidden.{k}"] = hidden.detach()
    if "prediction_logits" in output:
        golden["next_sentence_label"] = NEXT_SENTENCE
        golden["seq_relationship_logits"] = output.seq_relationship_logits.detach()
    for name, parameter in model.named_parameters():
        golden[f"grad.{name}"] = parameter.grad.clone()
    model.zero_grad()

    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=2e-3)
    curve = []
    for _ in range(20):
        loss, _ = loss_of(model(**inputs), labels)
        curve.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    golden["curve"] = torch.tensor(curve, dtype=torch.float64)
    golden["final_logits"] = loss_of(model(**inputs), labels)[1]
    save_file({name: tensor.contiguous() for name, tensor in golden.items()}, folder / "golden.safetensors",
              metadata={"transformers": transformers.__version__, "torch": torch.__version__})
    print(f"{folder.name}: loss {curve[0]:.4f} -> {curve[-1]:.4f}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, (config, cls) in MODELS.items():
        make(Path(sys.argv[1]) / name, config, cls)


if __name__ == "__main__":
    main()
