"""What tests of all folders share."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def check_page():
    """check_page(path, lines): fails unless the page in the repository has these lines. VCAS_WRITE_PAGES=1 writes it first."""

    def check(path, lines):
        text = "\n".join(lines) + "\n"
        if os.environ.get("VCAS_WRITE_PAGES"):
            (ROOT / path).write_text(text, encoding="utf-8")
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} is out of date: run with VCAS_WRITE_PAGES=1"

    return check


@pytest.fixture(scope="module")
def one_thread():
    """PyTorch in this process on one thread: tiny models gain nothing from more, and two that spin at barriers are many
    times slower when other tests use the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
