#!/usr/bin/env python3
"""How much of the published savings was padding: the same VCAS runs counted over padded batches and over real rows.

The linears of the blocks, forward and backward, from the ratios in the runs' metrics.jsonl and the lengths of the
texts in random batches. Over padded batches (as published) every text has as many rows as its batch's longest, exact
training computes all of them, and rows that are padding, or that the last block's classifier never reads, have no
gradient: SampleW drops them first. Here they are never computed, by either method.
"""

import csv
import random

import numpy
from experiment import Variant, metrics_of, packaged_model, publish, runs_of, spread, table, wordnet_task
from tokenizers import Tokenizer

BATCH = 32
HIDDEN, INTERMEDIATE = 384, 1536
# Multiply-adds a row of each linear of a block, and whether the last block computes it for one row a text alone.
LINEARS = {"attention.self.query": (HIDDEN * HIDDEN, True), "attention.self.key": (HIDDEN * HIDDEN, False),
           "attention.self.value": (HIDDEN * HIDDEN, False), "attention.output.dense": (HIDDEN * HIDDEN, True),
           "intermediate.dense": (HIDDEN * INTERMEDIATE, True), "output.dense": (HIDDEN * INTERMEDIATE, True)}


def rows_of_batches(task):
    """Mean (real rows, padded rows) of a random batch."""
    tokenizer = Tokenizer.from_file(str(packaged_model() / "tokenizer.json"))
    tokenizer.no_padding()
    with task.train_file.open(newline="") as file:
        texts = [row["sentence"] for row in csv.DictReader(file)]
    tokenizer.enable_truncation(128)
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    random.Random(0).shuffle(lengths)
    batches = [lengths[i:i + BATCH] for i in range(0, len(lengths) - BATCH + 1, BATCH)]
    return numpy.mean([(sum(batch), BATCH * max(batch)) for batch in batches], axis=0)


def kept(run, real, padded):
    """(as published, here) shares of exact training's FLOPs that VCAS performs, and the mean nu either way."""
    performed, exact, ratios = numpy.zeros(2), numpy.zeros(2), []
    for line in metrics_of(run):
        blocks = len(line["rho"])
        for block, rho in enumerate(line["rho"]):
            for name, (cost, one_row) in LINEARS.items():
                nu = line["nu"][f"bert.encoder.layer.{block}.{name}.weight"]
                rows = BATCH if one_row and block == blocks - 1 else real
                nu_padded = nu * rows / padded
                ratios.append((nu_padded, nu))
                for way, (computed, share) in enumerate(((padded, nu_padded), (rows, nu))):
                    exact[way] += 3 * computed * cost
                    performed[way] += computed * cost * (1 + rho + rho * share)
    return performed / exact, numpy.mean(ratios, axis=0)


def main():
    task = wordnet_task("nouns")
    real, padded = rows_of_batches(task)
    rows = []
    for variant in (Variant.of("VCAS"), Variant.of("VCAS τ=0.1", act_var_tau=0.1, w_var_tau=0.1)):
        shares, ratios = zip(*(kept(run, real, padded) for run in runs_of(task, variant)))
        left_out = 1 - numpy.array(shares)
        rows.append((variant.name, *(f"{numpy.mean(ratios, axis=0)[way]:.2f}" for way in (0, 1)),
                     *(spread(left_out[:, way], 1, 100) for way in (0, 1)),
                     f"{100 * (left_out[:, 0] - left_out[:, 1]).mean():.1f}"))
    publish(f"A batch of {BATCH} texts has {real:.0f} rows on average, padded {padded:.0f}: {1 - real / padded:.0%} of "
            "those are padding.\n\n"
            + table(("", "mean ν, padded", "mean ν, real rows", "FLOPs left out, padded, %",
                     "FLOPs left out, real rows, %", "difference, points"), rows))


if __name__ == "__main__":
    main()
