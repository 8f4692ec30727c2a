"""Variance-controlled adaptive sampling (VCAS, arXiv 2402.17227) for PyTorch and Hugging Face models.

Importing loads the C++ operators (``torch.ops.vcas``); :class:`VcasError` when they cannot be loaded.
"""

from typing import TYPE_CHECKING

import torch

from vcas._library import load_library
from vcas.errors import VcasError

load_library()

# The package attach is imported as such first: after these lines vcas.attach is the function.
from vcas.attach import Attachment, attach, detach, measure_costs  # noqa: E402 (needs the operators)
from vcas.control.controller import Controller  # noqa: E402
from vcas.control.options import SamplingOptions  # noqa: E402
from vcas.hugging_face import exports as _hugging_face  # noqa: E402

if TYPE_CHECKING:
    from vcas.hugging_face.model_processor import VcasModelProcessor
    from vcas.hugging_face.sample_args import VcasSampleArguments
    from vcas.hugging_face.sample_scheme import VcasSampleScheme
    from vcas.hugging_face.trainer import VcasTrainer

__version__: str = torch.ops.vcas.version()

__all__ = [
    "Attachment",
    "Controller",
    "SamplingOptions",
    "VcasError",
    "VcasModelProcessor",
    "VcasSampleArguments",
    "VcasSampleScheme",
    "VcasTrainer",
    "attach",
    "detach",
    "measure_costs",
]

Controller.attach_model = staticmethod(attach)


def __getattr__(name: str) -> object:
    """Imports on first use what needs transformers."""
    return _hugging_face.load(name)
