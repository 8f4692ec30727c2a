"""Training steps of Hugging Face's BERT classifier on stock PyTorch, and what may stand in for its backward pass."""

import time

import numpy
import torch
import transformers
from per_linear_skipping import KeepRatios, PerLinearSkipping
from plan_grid import PLANS

# Batches of different padded lengths, enough for torch.compile to have met what the timed steps bring.
COMPILE_BATCHES = 6


class Features:
    """Texts as transformers.Trainer would have them, tokenised beforehand."""

    def __init__(self, model, rows, max_length):
        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        self.classes = sorted({label for _, label in rows})
        encoded = tokenizer([text for text, _ in rows], truncation=True, max_length=max_length)
        self._features = [
            {**{name: values[i] for name, values in encoded.items()}, "labels": self.classes.index(rows[i][1])}
            for i in range(len(rows))
        ]
        self._collate = transformers.DataCollatorWithPadding(tokenizer)

    def __len__(self):
        return len(self._features)

    def batch(self, examples):
        return self._collate([self._features[i] for i in examples])

    def lengths(self, examples):
        return [len(self._features[i]["input_ids"]) for i in examples]


class HuggingFaceSteps:
    """transformers.Trainer's training step in float32, without the Trainer's own overhead."""

    def __init__(self, model, features, arguments):
        torch.set_num_threads(arguments.threads)
        torch.manual_seed(arguments.seed)
        self._features = features
        self._model = transformers.AutoModelForSequenceClassification.from_pretrained(
            model, num_labels=len(features.classes), dtype=torch.float32).train()
        total_steps = len(features) // arguments.batch
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=5e-5, weight_decay=0.0, fused=True)
        self._schedule = transformers.get_scheduler("linear", self._optimizer, num_warmup_steps=total_steps // 10,
                                                    num_training_steps=total_steps)
        self._forward = self._model

    def step(self, examples):
        """Seconds of a step on these examples."""
        start = time.perf_counter()
        batch = self._features.batch(examples)
        loss = self._forward(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()
        return time.perf_counter() - start

    def prepare(self):
        """What a run pays once; not timed."""

    def follow(self, ours):
        """Told before every turn: our runs by name."""


class CompiledSteps(HuggingFaceSteps):
    """The same with the model compiled by torch.compile for any batch and length."""

    def __init__(self, model, features, arguments):
        super().__init__(model, features, arguments)
        self._forward = torch.compile(self._model, dynamic=True)
        self._batch = arguments.batch

    def prepare(self):
        by_length = numpy.argsort(self._features.lengths(range(len(self._features))), kind="stable")
        starts = numpy.linspace(0, len(by_length) - self._batch, COMPILE_BATCHES).astype(int)
        for start in [*starts, *reversed(starts)]:
            self.step(by_length[start:start + self._batch].tolist())


class PerLinearSteps(HuggingFaceSteps):
    """The same with the published method's backward pass (per_linear_skipping.py)."""

    def __init__(self, model, features, arguments):
        super().__init__(model, features, arguments)
        self._skipping = PerLinearSkipping(self._model)
        self._fixed = fixed_ratios(self._model, PLANS["reached"])

    def follow(self, ours):
        run = ours.get("vcas/float32")
        self._skipping.set_keep_ratios(KeepRatios(**run.keep_ratios()) if run else self._fixed)


def fixed_ratios(model, plan):
    """One of plan_grid's plans, stretched over the blocks of the model."""
    blocks = len(model.base_model.encoder.layer)

    def stretched(values):
        return numpy.interp(numpy.linspace(0, len(values) - 1, blocks), range(len(values)), values).tolist()

    by_block = stretched(plan["row_keep_ratio"])
    rows = {name: by_block[block] for block in range(blocks) for name, _ in model.named_parameters()
            if f"encoder.layer.{block}." in name}
    return KeepRatios(stretched(plan["sample_keep_ratio"]), rows)


PEERS = {
    "eager": (HuggingFaceSteps, "Hugging Face, dynamic padding"),
    "compile": (CompiledSteps, "the same, torch.compile"),
    "per_linear": (PerLinearSteps, "the same, the published method's per-linear skipping"),
}
