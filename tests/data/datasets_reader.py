"""What Hugging Face's `datasets` reads from files: `python datasets_reader.py FILE...`, a line of JSON a file.

A program of its own, because some malformed files end the process. A line is {"columns": {name: type}, "rows": [...]} or
{"error": "..."}.
"""

import json
import logging
import os
import pathlib
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"


def read(path, cache):
    import datasets

    kind, more = ("csv", {"sep": "\t"}) if path.suffix == ".tsv" else (path.suffix[1:], {})
    kind = "json" if kind == "jsonl" else kind
    try:
        data = datasets.load_dataset(kind, data_files={"train": str(path)}, cache_dir=str(cache), **more)["train"]
    except Exception as error:
        while error.__cause__:
            error = error.__cause__
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    columns = {name: getattr(feature, "dtype", None) or str(feature) for name, feature in data.features.items()}
    return {"columns": columns, "rows": data.to_list()}


def main():
    import datasets

    datasets.disable_progress_bars()
    logging.disable(logging.CRITICAL)
    for number, name in enumerate(sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            result = read(pathlib.Path(name), pathlib.Path(folder) / str(number))
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
