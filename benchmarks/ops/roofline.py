#!/usr/bin/env python3
"""What share of the machine's peaks the kernels reach: GEMMs of the micro-kernel's, passes of the memory's.

gemm_benchmark measures, in turns, at::mm, our packed GEMM, the same with gathered rows, and the peak: brgemm on tiles
that stay in the first cache level. A share is packed / peak of one run; the program runs --repeats times, and a figure
is the median of those, with the lowest and the highest. A target is missed when that whole range lies under it. The
plot has the arithmetic intensity of a GEMM (its operations by the bytes of both factors and the product, each moved
once) against GF/s, under the measured peak and the bandwidth of at::copy_, in the memory (the largest copy of
elementwise_benchmark) and in the caches (the fastest); and beside it the bandwidth that the passes reach.

  cmake --preset release -D VCAS_BUILD_BENCHMARKS=ON && cmake --build build/release
  .venv/bin/python -m pip install -r requirements-benchmarks.txt
  .venv/bin/python benchmarks/ops/roofline.py --output docs/benchmarks/gemm.md
"""

import argparse
import pathlib
import sys

import numpy
from passes import add_arguments, gigabytes_per_second, run_repeatedly, with_range

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
import plots
from training_steps import command, conditions, publish

# Of each kind of product: its name, the least share of the peak that it is meant to reach, and its looks.
KINDS = {"nt": ("forward, X Wᵀ", 0.9, "o", plots.EXACT), "nn": ("dX = dZ W", 0.9, "s", plots.VCAS),
         "tn": ("dW = dZᵀ X", 0.85, "^", plots.THIRD)}
PLOT = "roofline.svg"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, seconds=0.2)
    return parser.parse_args()


def shares(lines, candidate="packed"):
    return [line[candidate] / line["peak"] for line in lines]


def of_kind(gemms, kind):
    """Shares of one kind [shapes, runs]."""
    return numpy.array([shares(lines) for key, lines in gemms.items() if key[0] == kind])


def summary_row(gemms, kind):
    name, target, _, _ = KINDS[kind]
    by_run = of_kind(gemms, kind)
    middle = numpy.median(by_run, axis=0)
    reached = "**missed**" if middle.max() < target else "held" if middle.min() >= target else "not decided"
    return (f"| {name} ({kind}) | ≥ {target:.2f} | {with_range(middle, '.2f')} | "
            f"{with_range(by_run.min(axis=0), '.2f')} | {reached} |")


def shape_row(key, lines):
    kind, rows, inputs, outputs = key
    speeds = (f"{numpy.median([line[way] for line in lines]):.0f}" for way in ("mm", "packed", "gathered", "peak"))
    return (f"| {kind} | {rows} x {inputs} → {outputs} | {' | '.join(speeds)} | {with_range(shares(lines), '.2f')} | "
            f"{with_range(shares(lines, 'gathered'), '.2f')} |")


def report(gemms, arguments):
    summary = "\n".join(summary_row(gemms, kind) for kind in KINDS)
    shapes = "\n".join(shape_row(key, lines) for kind in KINDS for key, lines in gemms.items() if key[0] == kind)
    return f"""# GEMMs against the micro-kernel's peak

    {command()}

{conditions(arguments.threads)}; medians of {arguments.repeats} runs (lowest – highest). The script says what is
counted.

![roofline]({PLOT})

Share of the measured brgemm peak, over all shapes below:

| product | target | median of the shapes | lowest of the shapes | median against the target |
|---|---|---|---|---|
{summary}

| kind | rows x in → out | at::mm, GF/s | packed | gathered | peak | packed / peak | gathered / peak |
|---|---|---|---|---|---|---|---|
{shapes}
"""


def intensity(rows, inputs, outputs):
    """Operations a byte, each float32 of the three matrices moved once."""
    return 2 * rows * inputs * outputs / (4 * (rows * inputs + inputs * outputs + rows * outputs))


def copy_bandwidths(passes):
    """GB/s of at::copy_: of most bytes, and the highest."""
    largest = max(passes.values(), key=lambda lines: lines[0]["floats"])
    return (numpy.median(gigabytes_per_second(largest, "copy")),
            max(numpy.median(gigabytes_per_second(lines, "copy")) for lines in passes.values()))


def draw_roofs(axes, peak, bandwidths, reach):
    intensities = numpy.geomspace(*reach, 200)
    for bandwidth, name, style in zip(bandwidths, ("memory", "caches"), ("-", "--"), strict=True):
        axes.plot(intensities, numpy.minimum(peak, bandwidth * intensities), style, color="black", linewidth=1,
                  label=f"copy, {name}: {bandwidth:.0f} GB/s")
    axes.axhline(peak, color="black", linewidth=0.6, linestyle=":")
    axes.annotate(f"brgemm peak: {peak:.0f} GF/s", (reach[1], peak), xytext=(0, 3), textcoords="offset points",
                  ha="right")


def draw_gemms(axes, gemms, bandwidths):
    peak = numpy.median([line["peak"] for lines in gemms.values() for line in lines])
    for kind, (name, _, marker, colour) in KINDS.items():
        points = [(intensity(*key[1:]), numpy.median([line["packed"] for line in lines]))
                  for key, lines in gemms.items() if key[0] == kind]
        axes.plot(*zip(*points, strict=True), marker, color=colour, markersize=4, alpha=0.8, label=name)
    intensities = [intensity(*key[1:]) for key in gemms]
    axes.set(xscale="log", yscale="log", xlabel="operations a byte", ylabel="GF/s", title="GEMM, packed")
    draw_roofs(axes, peak, bandwidths, (1, 2 * max(intensities)))
    axes.set_ylim(0.5 * min(bandwidths), 2 * peak)
    plots.plain_log(axes.xaxis)
    plots.plain_log(axes.yaxis)
    axes.legend(loc="lower right")


def draw_passes(axes, passes):
    names = [name for (name,) in passes]
    places = numpy.arange(len(names))[::-1]
    for candidate, offset, colour in (("ours", 0.2, plots.EXACT), ("copy", -0.2, "#9a9a9a")):
        speeds = [numpy.median(gigabytes_per_second(lines, candidate)) for lines in passes.values()]
        axes.barh(places + offset, speeds, height=0.38, color=colour, label=candidate)
    axes.set_yticks(places, names)
    axes.set(xlabel="GB/s", title="passes, and a copy of as many bytes")
    axes.legend(loc="lower right", frameon=True, edgecolor="none")


def draw(gemms, passes, path):
    figure, axes = plots.panels(1, 2, width=11, height=4.2)
    draw_gemms(axes[0], gemms, copy_bandwidths(passes))
    draw_passes(axes[1], passes)
    plots.save(figure, path)


def main():
    arguments = parse_arguments()
    if arguments.output:
        plots.load_pyplot()
    gemms = run_repeatedly("gemm_benchmark", ["kind", "rows", "in", "out"], arguments)
    passes = run_repeatedly("elementwise_benchmark", ["name"], arguments)
    publish(report(gemms, arguments), arguments.output)
    if arguments.output:
        draw(gemms, passes, arguments.output.with_name(PLOT))


if __name__ == "__main__":
    main()
