#!/usr/bin/env python3
"""How the time of an exact and of a VCAS training step grows with batch, length, width and depth.

Around one shape (6 blocks of hidden size 384, 8 samples of 64 tokens) one size at a time is changed. Each cell is
measured as by plan_grid.py, under its plan "reached". The exponent is the slope of a least-squares line through the
logarithms of size and median step time, with a 95 % percentile bootstrap interval over the pairs of steps of every cell
(it holds the scatter of the times, not that a step is no pure power: parts of it, such as AdamW, do not grow with batch
and length); "last" is the slope between the two largest sizes. Beside it stands the exponent of the FLOPs that the
steps performed. Cells that the results file holds are not measured again.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release --target plan_steps
  .venv/bin/python benchmarks/end_to_end/scaling.py --output docs/benchmarks/scaling.md
"""

import argparse
import dataclasses
import pathlib

import numpy
import plots
from plan_grid import (
    EXACT_FLOPS,
    EXACT_STEP,
    VCAS_FLOPS,
    VCAS_STEP,
    Cell,
    describe_left_out,
    measure_all,
    step_ratio,
    with_interval,
)
from training_steps import ROOT, command, conditions, publish

METHODS = {"exact": (EXACT_STEP, EXACT_FLOPS, plots.EXACT), "VCAS": (VCAS_STEP, VCAS_FLOPS, plots.VCAS)}
RESAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Sweep:
    """One size of the base shape at a time; field and form say how it enters a cell."""

    name: str
    sizes: tuple[int, ...]
    field: str
    form: str = ""

    def cell(self, base, size):
        return dataclasses.replace(base, **{self.field: self.form.format(size) if self.form else size})


SWEEPS = [
    Sweep("batch", (4, 8, 16, 32, 64), "batch"),
    Sweep("length", (16, 32, 64, 128, 256, 512), "length"),
    Sweep("width", (128, 256, 384, 512, 768, 1024), "model", "L6-H{}"),
    Sweep("depth", (2, 4, 6, 12, 24), "model", "L{}-H384"),
]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build_dir", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"],
                        help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="of a cell, at least 7 pairs (default: %(default)s)")
    parser.add_argument("--max_seconds", type=float, default=20, help="of an exact step (default: %(default)s)")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build" / "scaling.jsonl",
                        help="what was measured so far (default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path,
                        help="also write the report to this file and the plot beside it, as .svg")
    return parser.parse_args()


def line_through(sizes, values):
    """Slope and intercept of the least-squares line through the logarithms."""
    return numpy.polyfit(numpy.log(sizes), numpy.log(values), 1)


def exponent(sizes, values):
    return line_through(sizes, values)[0]


def medians(units, column):
    """@param units of cells. Returns [cells]."""
    return numpy.array([numpy.median(of_cell[:, column]) for of_cell in units])


def exponent_interval(sizes, units, column, seed=0):
    generator = numpy.random.default_rng(seed)
    slopes = [exponent(sizes, medians([of_cell[generator.integers(len(of_cell), size=len(of_cell))]
                                       for of_cell in units], column)) for _ in range(RESAMPLES)]
    return numpy.percentile(slopes, [2.5, 97.5])


def exponent_row(sweep, method, sizes, units):
    seconds, flops, _ = METHODS[method]
    times = medians(units, seconds)
    low, high = exponent_interval(sizes, units, seconds)
    return (f"| {sweep.name}, {sizes[0]} – {sizes[-1]} | {method} | {exponent(sizes, times):.2f} "
            f"({low:.2f} – {high:.2f}) | {exponent(sizes[-2:], times[-2:]):.2f} | "
            f"{exponent(sizes, medians(units, flops)):.2f} |")


def size_row(sweep, size, units):
    exact, vcas = (1e3 * numpy.median(units[:, METHODS[method][0]]) for method in METHODS)
    return f"| {sweep.name} {size} | {len(units)} | {exact:.1f} | {vcas:.1f} | {with_interval(step_ratio, units)} |"


def report(curves, left_out, arguments):
    """curves: of every sweep its sizes and their units."""
    exponents = "\n".join(exponent_row(sweep, method, *curve) for sweep, curve in curves.items() for method in METHODS)
    rows = "\n".join(size_row(sweep, *point) for sweep, curve in curves.items() for point in zip(*curve, strict=True))
    plot = f"\n![step time against batch, length, width and depth]({arguments.output.stem}.svg)\n" \
        if arguments.output else ""
    return f"""# How the cost of a step grows

    {command()}

{conditions(arguments.threads, arguments.precision)}. Random weights; 6 blocks of hidden size 384, 8 samples of 64
tokens, one size changed at a time. The script says what is counted; intervals are 95 %.
{plot}
| size | step | exponent of the time | last | exponent of the FLOPs |
|---|---|---|---|---|
{exponents}

| size | pairs | exact step, ms (median) | VCAS step, ms (median) | step time, VCAS / exact |
|---|---|---|---|---|
{rows}{describe_left_out(left_out)}
"""


def draw_sweep(axes, sweep, sizes, units):
    for method, (seconds, _, colour) in METHODS.items():
        times = 1e3 * medians(units, seconds)
        slope, intercept = line_through(sizes, times)
        axes.plot(sizes, times, "o" if method == "exact" else "s", color=colour)
        axes.plot(sizes, numpy.exp(intercept) * numpy.array(sizes) ** slope, color=colour,
                  linestyle="-" if method == "exact" else "--", label=f"{method}: {sweep.name}^{slope:.2f}")
    axes.set(xscale="log", yscale="log", xlabel=sweep.name, ylabel="ms a step")
    plots.plain_log(axes.xaxis)
    plots.plain_log(axes.yaxis)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.legend()


def draw(curves, path):
    figure, axes = plots.panels(2, 2)
    for panel, (sweep, curve) in zip(axes, curves.items(), strict=True):
        draw_sweep(panel, sweep, *curve)
    plots.save(figure, path)


def main():
    arguments = parse_arguments()
    if arguments.output:
        plots.load_pyplot()
    base = Cell("L6-H384", 8, 64, arguments.precision, arguments.threads, "reached")
    chosen = dict.fromkeys(sweep.cell(base, size) for sweep in SWEEPS for size in sweep.sizes)
    results, left_out = measure_all(chosen, [], arguments)
    curves = {}
    for sweep in SWEEPS:
        sizes = [size for size in sweep.sizes if sweep.cell(base, size) in results]
        curves[sweep] = sizes, [results[sweep.cell(base, size)] for size in sizes]
    publish(report(curves, left_out, arguments), arguments.output)
    if arguments.output:
        draw(curves, arguments.output.with_suffix(".svg"))


if __name__ == "__main__":
    main()
