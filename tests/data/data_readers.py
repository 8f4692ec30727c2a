"""Both readers of data files: ours (data_tool) and Hugging Face's (`datasets`, with the logic of its example scripts)."""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("VCAS_BUILD_DIR", HERE.parents[1] / "build" / "release"))
CRASHED = {"error": "the process ended"}


def ours(files, mode="train"):
    """A result for each file, with what stderr said to all of them; fails where the tool does."""
    done = subprocess.run([BUILD / "tests" / "data_tool", mode, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, f"exit {done.returncode} after {len(done.stdout.splitlines())} files: {done.stderr[-500:]}"
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines()


def theirs(files):
    """What `datasets` reads; CRASHED where it ended the process."""
    results = []
    while len(results) < len(files):
        left = files[len(results) :]
        done = subprocess.run([sys.executable, HERE / "datasets_reader.py", *map(str, left)], capture_output=True, text=True)
        results += [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode == 0:
            assert len(results) == len(files)
        else:
            assert done.returncode < 0, done.stderr  # a signal
            results.append(CRASHED)
    return results


def classes_of(read):
    """Classes and label of each row, as run_classification.py and run_glue.py make them; "regression" for a column of
    floats, "refused" for what they do not read as labels."""
    if "error" in read or "label" not in read["columns"]:
        return "refused", None
    if read["columns"]["label"] in ("float32", "float64"):
        return "regression", None
    labels = [row["label"] for row in read["rows"]]
    if any(label is None or isinstance(label, (list, dict)) for label in labels):
        return "missing", None
    names = [str(label) for label in labels]
    # run_glue.py sorts the values; of mixed types there is only the order of run_classification.py, by name.
    alike = len({type(label) for label in labels}) == 1
    return [str(label) for label in sorted(set(labels))] if alike else sorted(set(names)), names
