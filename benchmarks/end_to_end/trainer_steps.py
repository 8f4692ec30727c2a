#!/usr/bin/env python3
"""Trains by transformers.Trainer or by VcasTrainer and takes its steps when told to, as training_steps.cpp does.

  In:  a line a request: "steps 10", "seconds 30", or "evaluate": the held-out glosses.
  Out: a JSON line when ready, a JSON line a step or an answer, an empty line after each request.

A step ends where the next could begin: its seconds hold the batch, forward and backward passes, adaptation, clipping,
the optimizer, the schedule and the logging. Whatever happens while it waits for a request is not counted.
"""

import argparse
import json
import sys
import time

import numpy
import torch
import transformers
import vcas
from wordnet import read_split


class OnRequest(transformers.TrainerCallback):
    """Lets a Trainer begin a step only when one was asked for."""

    def __init__(self, requests, answers):
        self._requests, self._answers = requests, answers
        self._left_steps = self._left_seconds = 0.0
        self._began = None
        self._loss = float("nan")
        self.evaluate = None

    def on_log(self, args, state, control, logs=None, **kwargs):
        self._loss = (logs or {}).get("loss", self._loss)

    def on_step_begin(self, args, state, control, **kwargs):
        self._end_step(state)
        while self._left_steps <= 0 and self._left_seconds <= 0:
            self._take_request(over=False)
        self._began = time.perf_counter()

    def on_train_end(self, args, state, control, **kwargs):
        self._end_step(state)
        if self._left_steps > 0 or self._left_seconds > 0:
            self._answer()
        while True:
            self._take_request(over=True)

    def _end_step(self, state):
        if self._began is None:
            return
        seconds = time.perf_counter() - self._began
        self._began = None
        self._write({"step": state.global_step, "loss": self._loss, "seconds": seconds})
        self._left_steps -= 1
        self._left_seconds -= seconds
        if self._left_steps <= 0 and self._left_seconds <= 0:
            self._answer()

    def _take_request(self, over):
        line = self._requests.readline()
        if not line:
            raise SystemExit(0)
        unit, _, amount = line.strip().partition(" ")
        if unit == "evaluate":
            self._write(self.evaluate())
            self._answer()
        elif over:
            self._answer()
        else:
            self._left_steps = float(amount) if unit == "steps" else 0.0
            self._left_seconds = float(amount) if unit == "seconds" else 0.0

    def _answer(self):
        self._left_steps = self._left_seconds = 0.0
        print(file=self._answers, flush=True)

    def _write(self, answer):
        print(json.dumps(answer), file=self._answers, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", choices=("exact", "vcas"), required=True)
    parser.add_argument("--model_name_or_path", required=True)
    parser.add_argument("--max_train_samples", type=int, required=True)
    parser.add_argument("--max_eval_samples", type=int)
    parser.add_argument("--max_steps", type=int, required=True)
    parser.add_argument("--per_device_train_batch_size", type=int, required=True)
    parser.add_argument("--learning_rate", type=float, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output_dir", required=True)
    return parser.parse_args()


def features_of(texts, tokenizer):
    encoded = tokenizer([gloss for gloss, _ in texts], truncation=True, max_length=128)
    return [{**{name: values[i] for name, values in encoded.items()}, "labels": label}
            for i, (_, label) in enumerate(texts)]


def make_trainer(arguments, callback):
    split = read_split()
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model_name_or_path)
    transformers.set_seed(arguments.seed)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        arguments.model_name_or_path, num_labels=1 + max(label for _, label in split.train), dtype=torch.float32)
    settings = transformers.TrainingArguments(
        output_dir=arguments.output_dir, max_steps=arguments.max_steps, seed=arguments.seed, use_cpu=True,
        per_device_train_batch_size=arguments.per_device_train_batch_size, per_device_eval_batch_size=64,
        learning_rate=arguments.learning_rate, warmup_steps=arguments.max_steps // 10, lr_scheduler_type="linear",
        logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True, dataloader_pin_memory=False)
    trainer_class = vcas.VcasTrainer if arguments.trainer == "vcas" else transformers.Trainer
    trainer = trainer_class(
        model=model, args=settings, callbacks=[callback], processing_class=tokenizer,
        train_dataset=features_of(split.train[:arguments.max_train_samples], tokenizer),
        eval_dataset=features_of(split.held_out[:arguments.max_eval_samples], tokenizer),
        compute_metrics=lambda outputs: {"accuracy": float(numpy.mean(
            outputs.predictions.argmax(-1) == outputs.label_ids))})
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def evaluation(trainer):
    metrics = trainer.evaluate()
    answer = {"loss": metrics["eval_loss"], "accuracy": metrics["eval_accuracy"]}
    if isinstance(trainer, vcas.VcasTrainer):
        answer |= {name: trainer.controller.metrics()[name] for name in ("flops", "rho", "nu", "adaptations")}
    return answer


def main():
    arguments = parse_arguments()
    # Whatever libraries print goes to stderr; stdout carries answers only.
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(arguments.threads)
    callback = OnRequest(sys.stdin, answers)
    trainer = make_trainer(arguments, callback)
    callback.evaluate = lambda: evaluation(trainer)
    print(json.dumps({"total_steps": arguments.max_steps}), file=answers, flush=True)
    trainer.train()


if __name__ == "__main__":
    main()
