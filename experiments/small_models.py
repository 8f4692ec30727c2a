#!/usr/bin/env python3
"""Small models from random weights and small data: where does sampling stop paying, and does the gate notice?

Two BERTs (2 blocks of hidden size 128, 4 of 256) learn WordNet's nouns from 1 to 40 thousand glosses (one epoch) at
batch 32, the smaller one from 10 thousand at batches of 8 and 128 too. VCAS runs by a cost table that `vcas calibrate`
measures for each model, and without one. "Run exactly" is the share of blocks' and of weights' samplings that the gate
turned off at the last logged step. benchmarks/end_to_end/alternate.py --model measures their time.
"""

import shutil
import subprocess

import numpy
import torch
from experiment import (
    Variant,
    accuracy_difference,
    arguments,
    loss_difference,
    metrics_of,
    packaged_model,
    publish,
    runs_of,
    spread,
    summaries,
    table,
    wordnet_task,
)
from transformers import BertConfig, BertModel

SHAPES = ((2, 128), (4, 256))
SIZES = (1_000, 10_000, 40_000)
BATCHES = (8, 128)


def random_model(blocks, hidden):
    """A BERT that knows nothing yet, with MiniLM's tokenizer."""
    folder = arguments().runs / "models" / f"bert-{blocks}x{hidden}"
    if not folder.exists():
        torch.manual_seed(0)
        config = BertConfig(num_hidden_layers=blocks, hidden_size=hidden, intermediate_size=4 * hidden,
                            num_attention_heads=hidden // 64)
        BertModel(config).save_pretrained(folder)
        for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
            if (packaged_model() / name).exists():
                shutil.copy(packaged_model() / name, folder)
    return folder


def cost_table(model):
    file = model / "costs.json"
    if not file.exists():
        call = [arguments().program, "calibrate", f"--model_name_or_path={model}", f"--threads={arguments().threads}",
                f"--output={file}"]
        subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    return file


def gated_share(runs, blocks):
    """Of what could be sampled, the part that ran exactly in the end, in %."""
    shares = []
    for run in runs:
        # Lines of adaptations have none.
        gated = [line["gated"] for line in metrics_of(run) if "gated" in line][-1]
        shares.append((len(gated["blocks"]) + len(gated["weights"])) / (7 * blocks))
    return f"{100 * numpy.mean(shares):.0f}"


def cell(shape, size, batch):
    task, model = wordnet_task("nouns", size), random_model(*shape)

    def runs(way, method, **flags):
        return runs_of(task, Variant.of(f"{way} {shape[0]}x{shape[1]} batch {batch}", method, model=model,
                                        per_device_train_batch_size=batch, learning_rate=5e-4, **flags))

    exact = runs("exact", "exact")
    gated = runs("vcas", "vcas", cost_table=cost_table(model))
    ungated = runs("vcas, no gate", "vcas", benefit_gate="false")
    return [f"{shape[0]} x {shape[1]}", f"{size:,}", batch, spread(summaries(exact, "train_loss"), 2),
            loss_difference(gated, exact), accuracy_difference(gated, exact),
            spread(summaries(ungated, "flops", "reduction"), 1, 100),
            spread(summaries(gated, "flops", "reduction"), 1, 100),
            gated_share(gated, shape[0])]


def main():
    cells = [(shape, size, 32) for shape in SHAPES for size in SIZES]
    cells += [(SHAPES[0], 10_000, batch) for batch in BATCHES]
    header = ("blocks x hidden", "texts", "batch", "exact: train loss", "VCAS: loss, %", "accuracy, points",
              "FLOPs left out without gate, %", "with gate: FLOPs left out, %", "run exactly, %")
    publish(table(header, [cell(*described) for described in cells]))


if __name__ == "__main__":
    main()
