"""Costs of sampling on a machine: their table, and its cache on disk."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TypedDict, cast


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
    """Costs as JSON. Nothing reads them yet: neither the Controller nor `vcas train --cost_table`."""

    entries: list[BlockCost]


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
