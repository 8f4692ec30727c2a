"""What tests of all folders share."""

import pytest


@pytest.fixture(scope="module")
def one_thread():
    """PyTorch in this process on one thread: tiny models gain nothing from more, and two that spin at barriers are many
    times slower when other tests use the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
