"""What `vcas` exports of this folder: loaded on first use, so that `import vcas` needs no transformers."""

import importlib

MODULES = {
    "VcasModelProcessor": "vcas.hugging_face.model_processor",
    "VcasSampleArguments": "vcas.hugging_face.sample_args",
    "VcasSampleScheme": "vcas.hugging_face.sample_scheme",
    "VcasTrainer": "vcas.hugging_face.trainer",
}


def load(name: str) -> object:
    """An exported class by its name.

    Raises:
        AttributeError: `vcas` has nothing of that name.
        ImportError: transformers or accelerate, which `VcasTrainer` needs, is not installed.
    """
    if name not in MODULES:
        raise AttributeError(f"module 'vcas' has no attribute {name!r}")
    try:
        module = importlib.import_module(MODULES[name])
    except ModuleNotFoundError as error:
        if error.name not in ("transformers", "accelerate"):
            raise
        raise ImportError(f"vcas.{name} needs {error.name}: pip install transformers accelerate") from error
    return getattr(module, name)
