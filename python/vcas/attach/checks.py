"""Checks of attach(): refuses models whose sampled gradients could not be right. Nothing is changed here."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from vcas.errors import VcasError

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# transformers' own: collects hidden states and attention probabilities where they are asked for.
_HARMLESS = ("output_capturing_hook",)


def check_blocks(model: nn.Module, blocks: dict[str, nn.Module], fused: bool) -> None:
    """Raises VcasError naming the first block that cannot be sampled, and why."""
    for name, block in blocks.items():
        nested = next((other for other in blocks if other != name and other.startswith(f"{name}.")), None)
        if nested is not None:
            raise VcasError(f"{name}: expected blocks side by side, but it contains the block {nested}")
        # transformers 5.0 leaves the block's own there when it has collected hidden states.
        forward = block.__dict__.get("forward")
        if forward is not None and getattr(forward, "__func__", None) is not type(block).forward:
            raise VcasError(f"{name}: expected the forward() of its class, but another tool has replaced it")
        for inner, module in block.named_modules(prefix=name):
            if isinstance(module, _BatchNorm):
                raise VcasError(f"{inner}: {type(module).__name__} mixes the samples of a batch; none can be left out")
            if module is not block or fused:
                _check_hooks(inner, module)
    _check_tied(model, blocks)


def _check_hooks(name: str, module: nn.Module) -> None:
    for kind in _HOOKS:
        for hook in getattr(module, kind, {}).values():
            if getattr(hook, "__name__", "") not in _HARMLESS:
                raise VcasError(
                    f"{name}: has a hook ({kind.strip('_').replace('_', ' ')}) that a sampled block would bypass or "
                    "call with other samples; remove it first"
                )


def _check_tied(model: nn.Module, blocks: dict[str, nn.Module]) -> None:
    owner = {id(p): name for name, block in blocks.items() for p in block.parameters()}
    prefixes = tuple(f"{name}." for name in blocks)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        block = owner.get(id(parameter))
        if block is None:
            continue
        if not name.startswith(f"{block}.") or sum(name.startswith(p) for p in prefixes) != 1:
            raise VcasError(f"{name}: is tied to a weight of {block}, so its gradient would cross the block's border")
