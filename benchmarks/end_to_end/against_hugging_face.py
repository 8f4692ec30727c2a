#!/usr/bin/env python3
"""How many times faster a training step is than Hugging Face's on the same texts: exact and VCAS, float32 and bfloat16.

All fine-tune the same BERT classifier on WordNet's glosses (or, with --uniform_length, on texts of random words that
all have as many tokens, so that nothing is padded), step by step on the same examples, with dropout, AdamW, linear
schedule and clipping. Ours pack the texts; they run --warmup_steps first, so that VCAS keeps what its budget asks for,
and an adaptation that falls among the timed steps counts. Theirs is what transformers.Trainer does in a float32 step,
without the Trainer's own overhead: DataCollatorWithPadding (dynamic padding to the batch's longest text), the default
attention and fused AdamW. Texts are tokenised beforehand; collation is part of a step. The programs take turns, a
segment of a few steps each, so that the machine's changes meet all of them. --peers adds lines of the same step with
  compile     torch.compile(model, dynamic=True); it compiles for batches of several lengths before anything is timed;
  per_linear  the published method rebuilt on stock operators (per_linear_skipping.py), at the keep ratios that our run
              vcas/float32 has at that moment, or else those of plan_grid.py's plan "reached". It does not adapt.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release --target training_steps
  .venv/bin/python benchmarks/end_to_end/against_hugging_face.py --output docs/benchmarks/against_hugging_face.md
"""

import argparse
import contextlib
import json
import pathlib
import random
import shutil
import tempfile

import numpy
import torch
import transformers
from hugging_face_steps import PEERS, Features
from plan_grid import SIZES
from training_steps import (
    ROOT,
    TrainingSteps,
    bootstrap_interval,
    command,
    conditions,
    packaged_model,
    publish,
    quartiles,
)
from wordnet import read_synsets


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, help="Hugging Face folder (default: the package MiniLM-L6)")
    parser.add_argument("--random_weights", choices=SIZES,
                        help="a BERT of this size with random weights, read from a folder like any other")
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--runs", default="exact/float32,vcas/float32,exact/bfloat16,vcas/bfloat16",
                        help="ours, method/precision (default: %(default)s)")
    parser.add_argument("--peers", default="eager", help="of " + ",".join(PEERS) + "; eager is always there, as what "
                        "the others are compared with (default: %(default)s)")
    parser.add_argument("--uniform_length", type=int, help="texts of random words with so many tokens")
    parser.add_argument("--warmup_steps", type=int, default=300, help="of ours, not timed (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="timed steps of each (default: %(default)s)")
    parser.add_argument("--segment", type=int, default=5, help="steps in a turn (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="texts a step (default: %(default)s)")
    parser.add_argument("--max_length", type=int, default=128, help="tokens of a text (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="of texts, order and dropout (default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="also write the report to this file")
    return parser.parse_args()


def uniform_texts(tokenizer, length, count, generator):
    """(text, class) of `count` texts of `length` tokens with the special ones; the first word gives the class."""
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha() and word.islower())
    texts = []
    for _ in range(count):
        chosen = [generator.randrange(len(words)) for _ in range(length - 2)]
        texts.append((" ".join(words[i] for i in chosen), chosen[0] % 26))
    return texts


def random_model(size, folder, seed):
    """A folder of a BERT of that size, with the packaged model's tokenizer."""
    source = packaged_model()
    torch.manual_seed(seed)
    config = transformers.AutoConfig.from_pretrained(source, **SIZES[size])
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(source / name, folder)
    return folder


def choose_texts(model, arguments):
    generator = random.Random(arguments.seed)
    count = (arguments.warmup_steps + arguments.segment + arguments.steps) * arguments.batch
    if arguments.uniform_length:
        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        return uniform_texts(tokenizer, arguments.uniform_length, count, generator)
    return [(synset.gloss, synset.lexical_file) for synset in generator.sample(read_synsets(), count)]


def take_turns(ours, peers, features, steps, segment):
    """Seconds of the same steps of each of ours and of each peer [n, ours + peers]; mean and longest length [n, 2]."""
    seconds, lengths = [], []
    while len(seconds) < steps:
        taken = [run.steps(min(segment, steps - len(seconds))) for run in ours.values()]
        for peer in peers:
            peer.follow(ours)
        for records in zip(*taken, strict=True):
            examples = records[0]["examples"]
            if any(record["examples"] != examples for record in records):
                raise SystemExit("against_hugging_face: expected all runs to take the same examples")
            seconds.append([record["seconds"] for record in records] + [peer.step(examples) for peer in peers])
            of_texts = features.lengths(examples)
            lengths.append((numpy.mean(of_texts), max(of_texts)))
    return numpy.array(seconds), numpy.array(lengths)


def milliseconds(seconds):
    low, median, high = 1e3 * quartiles(seconds)
    return f"{median:.0f} ({low:.0f} – {high:.0f})"


def times_faster(theirs, ours):
    def ratio(units):
        return units[:, 0].sum() / units[:, 1].sum()

    units = numpy.column_stack([theirs, ours])
    low, high = bootstrap_interval(ratio, units)
    return f"{ratio(units):.2f} ({low:.2f} – {high:.2f})"


def report(names, seconds, lengths, arguments):
    """names: of the columns of seconds; the first is what the others are compared with."""
    texts = "texts of random words" if arguments.uniform_length else "glosses of WordNet's nouns"
    model = f"{arguments.random_weights} with random weights" if arguments.random_weights \
        else arguments.model or "MiniLM-L6"
    eager = seconds[:, 0]
    lines = "\n".join(f"| {name} | {milliseconds(column)} | {times_faster(eager, column)} |"
                      for name, column in zip(names[1:], seconds.T[1:], strict=True))
    return f"""# Training steps against Hugging Face

    {command()}

{conditions(arguments.threads, "Hugging Face in float32")}, transformers {transformers.__version__}.
{model}, {len(seconds)} steps of {arguments.batch} {texts},
{lengths[:, 0].mean():.1f} tokens on average and {lengths[:, 1].mean():.1f} in the longest of a batch,
after {arguments.warmup_steps} steps of ours; the programs take turns of {arguments.segment} steps on the same examples.
The script says what a step is and what the lines are.

| | ms a step, median (quartiles) | times faster than Hugging Face, of the total times (95 % interval) |
|---|---|---|
| {names[0]} | {milliseconds(eager)} | |
{lines}
"""


def start(run, model, train_file, total_steps, arguments):
    method, precision = run.split("/")
    return TrainingSteps(arguments.build_dir, model_name_or_path=model, train_file=train_file, method=method,
                         bf16="true" if precision == "bfloat16" else "false", max_seq_length=arguments.max_length,
                         threads=arguments.threads, max_steps=total_steps, seed=arguments.seed,
                         per_device_train_batch_size=arguments.batch)


def chosen_peers(arguments):
    """Their names, eager first."""
    names = arguments.peers.split(",")
    if unknown := sorted(set(names) - set(PEERS)):
        raise SystemExit(f"against_hugging_face: --peers: expected some of {', '.join(PEERS)}, got {unknown[0]}")
    return ["eager"] + [name for name in PEERS if name in names and name != "eager"]


def measure(model, rows, train_file, arguments):
    """Names, with the peers first, and what take_turns measures of them, in the order of the names."""
    features = Features(model, rows, arguments.max_length)
    peer_names = chosen_peers(arguments)
    peers = [PEERS[name][0](model, features, arguments) for name in peer_names]
    with contextlib.ExitStack() as stack:
        ours = {name: stack.enter_context(start(name, model, train_file, len(rows) // arguments.batch, arguments))
                for name in arguments.runs.split(",")}
        for run in ours.values():
            run.steps(arguments.warmup_steps)
        for peer in peers:
            peer.follow(ours)
            peer.prepare()
        take_turns(ours, peers, features, arguments.segment, arguments.segment)  # warm-up of the peers
        seconds, lengths = take_turns(ours, peers, features, arguments.steps, arguments.segment)
    names = [PEERS[name][1] for name in peer_names] + [name.replace("/", ", ") for name in ours]
    return names, numpy.roll(seconds, len(peers), axis=1), lengths


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or packaged_model()
        if arguments.random_weights:
            model = random_model(arguments.random_weights, pathlib.Path(folder), arguments.seed)
        rows = choose_texts(model, arguments)
        train_file = pathlib.Path(folder) / "texts.jsonl"
        train_file.write_text("".join(json.dumps({"sentence": text, "label": label}) + "\n" for text, label in rows))
        names, seconds, lengths = measure(model, rows, train_file, arguments)
    publish(report(names, seconds, lengths, arguments), arguments.output)


if __name__ == "__main__":
    main()
