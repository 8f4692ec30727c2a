"""Costs of sampling on a machine: the table that the controller reads, and its cache on disk."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, cast

import torch


class BackwardCost(TypedDict):
    """Seconds of a block's backward pass without weight gradients: row·r over r rows of kept samples, and
    draw + batch_row·R on top where samples of a batch of R rows are left out."""

    row: float
    draw: float
    batch_row: float


class WeightGradientCost(TypedDict):
    """Seconds of a weight's gradient: row·r over r rows, and draw + scored_row·R on top where they are a sample of
    R rows."""

    row: float
    draw: float
    scored_row: float


class BlockCost(TypedDict):
    """Costs of the blocks of one kind."""

    block: str
    """What they depend on besides the next three; SampledBlock.cost_key."""
    device: str
    dtype: str
    """Of products: "float32", "bfloat16", …"""
    threads: int
    backward: BackwardCost
    weight_gradients: list[WeightGradientCost]
    """In the order of the block's weights."""


class CostTable(TypedDict):
    """Costs as JSON, as the C++ cost table reads them."""

    entries: list[BlockCost]


CostOrigin = Literal["measured", "shipped", "saved", "unknown"]
"""Measured on this machine, shipped with vcas, from the state of a controller, or none."""


@dataclass(frozen=True)
class BlockCosts:
    """Costs of a layout's blocks."""

    json: str
    """A list of entries and nulls, as the C++ library takes it."""
    origins: tuple[CostOrigin, ...]
    """By block."""

    def replaced(self, saved: str) -> "BlockCosts":
        """The costs of a controller's state in place of these."""
        entries = zip(json.loads(saved), json.loads(self.json), self.origins, strict=True)
        origins: list[CostOrigin] = [
            "unknown" if entry is None else origin if entry == present else "saved"
            for entry, present, origin in entries
        ]
        return BlockCosts(saved, tuple(origins))


def find_costs(layout: str, table: CostTable | None, device: torch.device, dtype: torch.dtype) -> BlockCosts:
    """Costs of the blocks of a layout on this machine with its present number of threads.

    Args:
        layout: JSON. table: measured; None: the one that comes with vcas, for fused blocks on a CPU.

    Raises:
        RuntimeError: for what is no table.
    """
    source = torch.classes.vcas.CostTable("" if table is None else json.dumps(table))
    found: str = source.find(layout, device.type, str(dtype).removeprefix("torch."), torch.get_num_threads())
    origin: CostOrigin = "shipped" if table is None else "measured"
    origins: list[CostOrigin] = ["unknown" if entry is None else origin for entry in json.loads(found)]
    return BlockCosts(found, tuple(origins))


def no_costs(blocks: int) -> BlockCosts:
    """Of so many blocks, none of which are known."""
    origins: list[CostOrigin] = ["unknown"] * blocks
    return BlockCosts(json.dumps([None] * blocks), tuple(origins))


def cache_file(key: object) -> Path:
    """Where costs of a key (any JSON) are kept: in ``vcas`` under ``XDG_CACHE_HOME``, or under ``~/.cache``."""
    # The specification of XDG says to ignore a path that is not absolute.
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    folder = named if named.is_absolute() else Path.home() / ".cache"
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder / "vcas" / f"costs-{digest[:16]}.json"


def read_cached(key: object) -> CostTable | None:
    """The table of a key; None where there is none, or none that can be read."""
    try:
        found = json.loads(cache_file(key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("key") != key or not isinstance(found.get("table"), dict):
        return None
    return cast(CostTable, found["table"])


def write_cached(key: object, table: CostTable) -> None:
    """Keeps a table. Raises OSError where the folder cannot be written."""
    path = cache_file(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under another name first, so that nobody reads half of it.
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
        json.dump({"key": key, "table": table}, file, indent=1)
    os.replace(file.name, path)
