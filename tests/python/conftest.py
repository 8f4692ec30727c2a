"""Surroundings of the tests of the Python package."""

import os
from pathlib import Path

import pytest
import torch

# For the programs that tests start; pytest itself finds the package by pyproject.toml.
_PACKAGE = str(Path(__file__).resolve().parents[2] / "python")
os.environ["PYTHONPATH"] = os.pathsep.join([_PACKAGE, *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny models gain nothing from threads, and lose much where other programs run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
