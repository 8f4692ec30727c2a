"""The base of every error that this package raises on its own."""


class VcasError(Exception):
    """Something that cannot be right: one sentence that says what was expected and what came."""
