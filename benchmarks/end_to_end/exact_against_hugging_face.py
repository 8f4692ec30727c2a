#!/usr/bin/env python3
"""How many times faster an exact training step is than Hugging Face's on the same texts.

Both fine-tune the same BERT classifier on WordNet's glosses, step by step on the same examples, in float32 with
dropout, AdamW, linear schedule and clipping. Ours packs the texts. Theirs is what transformers.Trainer does in a step,
without the Trainer's own overhead: DataCollatorWithPadding (dynamic padding to the batch's longest text), the default
attention and fused AdamW. Texts are tokenised beforehand; collation is part of a step. The two take turns, a segment
of a few steps each, so that the machine's changes meet both.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release --target training_steps
  .venv/bin/python benchmarks/end_to_end/exact_against_hugging_face.py \\
      --output docs/benchmarks/exact_against_hugging_face.md
"""

import argparse
import json
import pathlib
import random
import tempfile
import time

import numpy
import torch
import transformers
from training_steps import (
    ROOT,
    TrainingSteps,
    command,
    conditions,
    packaged_model,
    publish,
    quartiles,
    read_wordnet_nouns,
)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, help="Hugging Face folder (default: the package MiniLM-L6)")
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--steps", type=int, default=100, help="timed steps of each (default: %(default)s)")
    parser.add_argument("--segment", type=int, default=5, help="steps in a turn (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="texts a step (default: %(default)s)")
    parser.add_argument("--max_length", type=int, default=128, help="tokens of a text (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="of texts, order and dropout (default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="also write the report to this file")
    return parser.parse_args()


class HuggingFaceSteps:
    """transformers.Trainer's training step over features that were tokenised beforehand."""

    def __init__(self, model, rows, total_steps, arguments):
        torch.set_num_threads(arguments.threads)
        torch.manual_seed(arguments.seed)
        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        classes = sorted({label for _, label in rows})
        encoded = tokenizer([text for text, _ in rows], truncation=True, max_length=arguments.max_length)
        self._features = [
            {**{name: values[i] for name, values in encoded.items()}, "labels": classes.index(rows[i][1])}
            for i in range(len(rows))
        ]
        self._collate = transformers.DataCollatorWithPadding(tokenizer)
        self._model = transformers.AutoModelForSequenceClassification.from_pretrained(
            model, num_labels=len(classes), dtype=torch.float32).train()
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=5e-5, weight_decay=0.0, fused=True)
        self._schedule = transformers.get_scheduler("linear", self._optimizer, num_warmup_steps=total_steps // 10,
                                                    num_training_steps=total_steps)

    def step(self, examples):
        """Seconds of a step on these examples."""
        start = time.perf_counter()
        batch = self._collate([self._features[i] for i in examples])
        loss = self._model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()
        return time.perf_counter() - start

    def lengths(self, examples):
        return [len(self._features[i]["input_ids"]) for i in examples]


def take_turns(ours, theirs, steps, segment):
    """[n, 4]: seconds of ours and theirs, mean length and longest text of each step."""
    rows = []
    while len(rows) < steps:
        taken = ours.steps(min(segment, steps - len(rows)))
        for record in taken:
            lengths = theirs.lengths(record["examples"])
            seconds = theirs.step(record["examples"])
            rows.append((record["seconds"], seconds, numpy.mean(lengths), max(lengths)))
    return numpy.array(rows)


def milliseconds(seconds):
    low, median, high = 1e3 * quartiles(seconds)
    return f"{median:.0f} | {low:.0f} – {high:.0f}"


def report(rows, arguments):
    ours, theirs, mean_length, longest = rows.T
    low, median, high = quartiles(theirs / ours)
    return f"""# Exact training step against Hugging Face

    {command()}

{conditions(arguments.threads)}, transformers {transformers.__version__}. {len(rows)} steps of {arguments.batch} glosses
of WordNet's nouns, {mean_length.mean():.1f} tokens on average and {longest.mean():.1f} in the longest of a batch;
the two programs take turns of {arguments.segment} steps on the same examples. The script says what a step is.

| | median | quartiles |
|---|---|---|
| vcas, exact, packed: ms a step | {milliseconds(ours)} |
| Hugging Face, dynamic padding: ms a step | {milliseconds(theirs)} |
| ratio of the two, step by step | {median:.2f} | {low:.2f} – {high:.2f} |

Ratio of the total times: {theirs.sum() / ours.sum():.2f}.
"""


def main():
    arguments = parse_arguments()
    model = arguments.model or packaged_model()
    total_steps = arguments.steps + arguments.segment
    rows = random.Random(arguments.seed).sample(read_wordnet_nouns(), total_steps * arguments.batch)
    with tempfile.TemporaryDirectory() as folder:
        train_file = pathlib.Path(folder) / "glosses.jsonl"
        train_file.write_text("".join(json.dumps({"sentence": text, "label": label}) + "\n" for text, label in rows))
        theirs = HuggingFaceSteps(model, rows, total_steps, arguments)
        with TrainingSteps(arguments.build_dir, model_name_or_path=model, train_file=train_file,
                           max_seq_length=arguments.max_length, method="exact", threads=arguments.threads,
                           max_steps=total_steps, per_device_train_batch_size=arguments.batch,
                           seed=arguments.seed) as ours:
            take_turns(ours, theirs, arguments.segment, arguments.segment)  # warm-up
            timed = take_turns(ours, theirs, arguments.steps, arguments.segment)
    publish(report(timed, arguments), arguments.output)


if __name__ == "__main__":
    main()
