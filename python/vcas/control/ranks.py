"""Several processes: what each of them measures, put together so that all hold the same ratios."""

import torch
import torch.distributed as dist


def world_size() -> int:
    """Processes that train together; 1 without torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number; 0 without torch.distributed."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def summed(numbers: list[float]) -> list[float]:
    """Sums over all processes, which give as many numbers each."""
    if world_size() == 1:
        return numbers
    # NCCL alone cannot sum on the CPU.
    sums = torch.tensor(numbers, dtype=torch.float64, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(sums)
    result: list[float] = sums.tolist()
    return result


def all_agree(value: bool) -> bool:
    """Whether it holds on every process."""
    return value if world_size() == 1 else summed([float(not value)]) == [0.0]
