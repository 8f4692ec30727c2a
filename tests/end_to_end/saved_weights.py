"""The weights that a run leaves."""

import numpy
from safetensors.numpy import load_file


def weights(folder):
    return load_file(folder / "model.safetensors")


def assert_same_bits(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert numpy.array_equal(a[name].view(numpy.uint8), b[name].view(numpy.uint8)), name
