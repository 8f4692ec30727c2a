"""Modules of benchmarks/, which is no package."""

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark_module():
    """benchmark_module(NAME, FOLDER...): a module, with those folders below benchmarks/ on the path for the test file."""
    added = []

    def load(name, *folders):
        added.extend(str(BENCHMARKS / folder) for folder in folders)
        sys.path[:0] = added
        return importlib.import_module(name)

    yield load
    for folder in added:
        sys.path.remove(folder)
