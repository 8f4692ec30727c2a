"""What SampleW samples in a generic block."""

from torch import nn


def linear_weights(block: nn.Module) -> dict[str, nn.Parameter]:
    """Weights of a block's nn.Linear by name, in the order of modules(); one that several share comes once."""
    names = [f"{inner}.weight".lstrip(".") for inner, module in block.named_modules() if type(module) is nn.Linear]
    found: dict[int, tuple[str, nn.Parameter]] = {}
    for name in names:
        weight = block.get_parameter(name)
        found.setdefault(id(weight), (name, weight))
    return dict(found.values())
