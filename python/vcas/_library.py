"""Finds and loads libvcas.so, which registers the operators and classes of ``torch.ops.vcas``."""

import functools
import mmap
import os
import re
from pathlib import Path

import torch

from vcas.errors import VcasError

_NAME = "libvcas.so"
_SUPPORTED = ("2.11", "2.12", "2.13", "2.14")
_MARK = re.compile(rb"vcas-torch-version:(\d+\.\d+)")


def find_library() -> Path:
    """The library: ``VCAS_LIBRARY``, the one beside this file (an installed package), or that of a source tree.

    Raises:
        VcasError: when none of them exists.
    """
    named = os.environ.get("VCAS_LIBRARY")
    if named:
        if Path(named).is_file():
            return Path(named)
        raise VcasError(f"VCAS_LIBRARY: expected the file {_NAME}, got {named!r}, which is no file")
    here = Path(__file__).resolve()
    for candidate in (here.parent / _NAME, here.parents[2] / "build" / "release" / _NAME):
        if candidate.is_file():
            return candidate
    raise VcasError(
        f"vcas is not built: expected {_NAME} beside {here.parent.name}/ or in build/release; install the package by "
        "'pip install .', or build it by 'cmake --preset release && ninja -C build/release vcas'"
    )


def compiled_version(library: Path) -> str:
    """The PyTorch ("2.13") that a library was compiled against, read from the file without loading it.

    Raises:
        VcasError: when the file is no such library.
    """
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        # The match reads the file, which is closed after.
        version = found[1].decode() if (found := _MARK.search(data)) else None
    if version is None:
        raise VcasError(f"expected a library of vcas with Python support, got {library}; build it again")
    return version


def check_version(compiled: str, running: str) -> None:
    """Raises VcasError unless the running PyTorch is a supported one and the one that vcas was compiled against.

    The library uses PyTorch's C++ interfaces beyond its stable ABI (custom autograd nodes, classes), so minor
    versions must be equal.
    """
    minor = ".".join(running.split(".")[:2])
    if minor not in _SUPPORTED:
        raise VcasError(f"vcas: expected PyTorch {_SUPPORTED[0]} to {_SUPPORTED[-1]}, got {running}")
    if minor != compiled:
        raise VcasError(
            f"vcas: expected PyTorch {compiled}, which this vcas was compiled against, got {running}; "
            "install vcas again with it"
        )


@functools.cache
def load_library() -> Path:
    """Loads the library once; gives its path.

    Raises:
        VcasError: no library, one for another PyTorch, or one that this machine cannot load.
    """
    library = find_library()
    check_version(compiled_version(library), str(torch.__version__))
    try:
        torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError as error:
        raise VcasError(f"vcas: cannot load {library}: {str(error).splitlines()[0]}") from error
    return library
