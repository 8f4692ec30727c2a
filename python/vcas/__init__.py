"""Variance-controlled adaptive sampling (VCAS, arXiv 2402.17227) for PyTorch and Hugging Face models.

Importing loads the C++ operators (``torch.ops.vcas``); :class:`VcasError` when they cannot be loaded.
"""

from vcas._library import LIBRARY_PATH, load_library
from vcas.errors import VcasError

load_library()

from vcas.attachment import Attachment, attach, detach  # noqa: E402 (needs the operators)
from vcas.controller import Controller  # noqa: E402
from vcas.options import SamplingOptions  # noqa: E402

__version__ = "0.1.0"

__all__ = ["LIBRARY_PATH", "Attachment", "Controller", "SamplingOptions", "VcasError", "attach", "detach"]
