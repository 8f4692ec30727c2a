"""The base of every error that this package raises on its own."""

from collections.abc import Iterator
from contextlib import contextmanager


class VcasError(Exception):
    """Something that cannot be right: one sentence that says what was expected and what came."""


@contextmanager
def as_vcas_error() -> Iterator[None]:
    """Errors of the C++ library ("operator: expected …, got …") inside become VcasError; others pass."""
    try:
        yield
    except RuntimeError as error:
        if "donated buffer" in str(error):
            raise VcasError(
                "compiled model: expected torch._functorch.config.donated_buffer = False before compiling, because "
                "an adaptation goes back over one forward pass several times"
            ) from error
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        if ": expected " not in first:
            raise
        raise VcasError(first) from error
