"""Finds and loads libvcas.so, which registers the operators and classes of ``torch.ops.vcas``."""

LIBRARY_PATH = ""


def load_library() -> None:
    """Loads the library once. Raises VcasError."""
