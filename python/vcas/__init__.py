"""Variance-controlled adaptive sampling (VCAS, arXiv 2402.17227) for PyTorch and Hugging Face models.

Importing loads the C++ operators (``torch.ops.vcas``); :class:`VcasError` when they cannot be loaded.
"""

from typing import TYPE_CHECKING, Any

from vcas._library import load_library
from vcas.errors import VcasError

load_library()

from vcas.attachment import Attachment, attach, detach  # noqa: E402 (needs the operators)
from vcas.controller import Controller  # noqa: E402
from vcas.hugging_face import exports as _hugging_face  # noqa: E402
from vcas.options import SamplingOptions  # noqa: E402

if TYPE_CHECKING:
    from vcas.hugging_face.model_processor import VcasModelProcessor
    from vcas.hugging_face.sample_args import VcasSampleArguments
    from vcas.hugging_face.sample_scheme import VcasSampleScheme
    from vcas.hugging_face.trainer import VcasTrainer

__version__ = "0.1.0"

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
]


def __getattr__(name: str) -> Any:
    """What needs transformers is imported on first use."""
    return _hugging_face.load(name)
