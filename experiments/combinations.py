#!/usr/bin/env python3
"""VCAS together with bfloat16, gradient accumulation and magnitude-pruned weights.

Each row compares VCAS with exact training under the same setting. Pruned models have the smallest 50 or 80 % of each
linear weight of their blocks set to zero; both methods keep them zero (--keep_zeros).
"""

import shutil

import numpy
from experiment import (
    COLUMNS,
    Variant,
    arguments,
    packaged_model,
    publish,
    result_row,
    runs_of,
    table,
    wordnet_task,
)
from safetensors.numpy import load_file, save_file

SETTINGS = {
    "bfloat16": {"bf16": "true"},
    "4 micro-batches of 8": {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4},
}
SPARSITIES = (0.5, 0.8)


def pruned(share):
    """MiniLM without the smallest weights of every linear of its blocks."""
    folder = arguments().runs / "models" / f"minilm-pruned-{share}"
    if not folder.exists():
        shutil.copytree(packaged_model(), folder)
        tensors = load_file(folder / "model.safetensors")
        for name, value in tensors.items():
            if ".layer." in name and value.ndim == 2:
                tensors[name] = numpy.where(numpy.abs(value) < numpy.quantile(numpy.abs(value), share), 0, value)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def rows_of(task, setting, model=None, **flags):
    exact = runs_of(task, Variant.of(f"exact, {setting}", "exact", model=model, **flags))
    vcas = runs_of(task, Variant.of(f"VCAS, {setting}", model=model, **flags))
    return [[f"exact, {setting}", *result_row(exact, exact)], [f"VCAS, {setting}", *result_row(vcas, exact)]]


def main():
    task = wordnet_task("nouns")
    exact, vcas = runs_of(task, Variant.of("exact", "exact")), runs_of(task, Variant.of("VCAS"))
    rows = [["exact", *result_row(exact, exact)], ["VCAS", *result_row(vcas, exact)]]
    for setting, flags in SETTINGS.items():
        rows += rows_of(task, setting, **flags)
    for share in SPARSITIES:
        rows += rows_of(task, f"{share:.0%} pruned", pruned(share), keep_zeros="true")
    publish(table(("", *COLUMNS), rows))


if __name__ == "__main__":
    main()
