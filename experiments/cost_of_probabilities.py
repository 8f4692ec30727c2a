#!/usr/bin/env python3
"""What deciding costs: FLOPs and time of scores, probabilities and draws, as shares of a step.

Time: from the cost table that comes with vcas (docs/benchmarks/costs.md: what a row of a block's backward pass and of
each weight gradient costs, and what sampling adds to either; 2 threads, float32). FLOPs: squares and sums of the norms
that scores are made of, two a value; a draw's own arithmetic (sorting, Philox) is in the time alone. A step is three
times the forward pass's FLOPs, an exact one's time is the table's backward pass times 1.5. SampleA keeps 60 % of the
rows, as runs of MiniLM do.
"""

import json

from experiment import ROOT, publish, table

HIDDEN = (384, 768)
KEPT = 0.6
ROWS = (150, 550, 1100, 4096)


def shipped(hidden, threads):
    """The entry of a shape in the cost table that comes with vcas."""
    text = (ROOT / "src" / "control" / "shipped_costs.h").read_text()
    entries = json.loads(text.partition('R"json(')[2].partition(')json"')[0])["entries"]
    return next(entry for entry in entries if (entry["hidden_size"], entry["dtype"], entry["threads"])
                == (hidden, "float32", threads))


def scoring_flops(rows, hidden, intermediate):
    """Of a block: norms of the gradient at its output, and of dZ and X of every linear on the kept rows."""
    kept = KEPT * rows
    gradients = 5 * hidden + intermediate
    inputs = 3 * hidden + intermediate
    return 2 * (rows * hidden + kept * (gradients + inputs))


def step_flops(rows, hidden, intermediate):
    """Of a block's linears, forward and backward, exact; attention's products left out."""
    return 3 * 2 * rows * (4 * hidden * hidden + 2 * hidden * intermediate)


def seconds(cost, rows):
    """(deciding, an exact step) of a block."""
    block, linears = cost["block"], cost["weight_gradients"]
    deciding = block["draw"] + block["batch_row"] * rows
    deciding += sum(linear["draw"] + linear["scored_row"] * KEPT * rows for linear in linears)
    backward = rows * (block["row"] + sum(linear["row"] for linear in linears))
    return deciding, 1.5 * backward


def main():
    rows = []
    for hidden in HIDDEN:
        for count in ROWS:
            deciding, step = seconds(shipped(hidden, threads=2), count)
            flops = scoring_flops(count, hidden, 4 * hidden) / step_flops(count, hidden, 4 * hidden)
            rows.append((hidden, count, f"{100 * flops:.2f}", f"{1e6 * deciding:.0f}", f"{100 * deciding / step:.1f}"))
    publish(table(("hidden size", "rows of the batch", "FLOPs, % of an exact step's", "time, µs a block",
                   "time, % of an exact step's"), rows))


if __name__ == "__main__":
    main()
