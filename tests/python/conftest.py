"""Surroundings of the tests of the Python package."""

import os
from pathlib import Path

import pytest

# For the programs that tests start; pytest itself finds the package by pyproject.toml.
_PACKAGE = str(Path(__file__).resolve().parents[2] / "python")
os.environ["PYTHONPATH"] = os.pathsep.join([_PACKAGE, *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Of all tests here."""
