"""Several processes: what each of them measures, put together so that all hold the same ratios."""

import torch
import torch.distributed as dist


def world_size() -> int:
    """Processes that train together; 1 without torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number; 0 without torch.distributed."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def mean(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Means over all processes; dense tensors of equal shapes."""
    if world_size() == 1:
        return tensors
    results = []
    for tensor in tensors:
        result = tensor.detach().to_dense().clone() if tensor.is_sparse else tensor.detach().clone()
        dist.all_reduce(result)
        results.append(result / world_size())
    return results


def concatenated(tensor: torch.Tensor) -> torch.Tensor:
    """The tensors of all processes one after the other along the last dimension, whatever its length on each."""
    if world_size() == 1:
        return tensor
    gathered: list[torch.Tensor | None] = [None] * world_size()
    dist.all_gather_object(gathered, tensor.detach().cpu())
    return torch.cat([part for part in gathered if part is not None], dim=-1)


def all_agree(value: bool) -> bool:
    """Whether it holds on every process."""
    if world_size() == 1:
        return value
    votes: list[bool | None] = [None] * world_size()
    dist.all_gather_object(votes, value)
    return all(votes)
