#!/usr/bin/env python3
"""Writes docs/python-api.md from the signatures and docstrings of what the Python package exports.

    scripts/generate_python_api.py            writes the page
    scripts/generate_python_api.py --check    exit status 1 when the page on disk differs from what would be written

The package must be importable: installed, or built, with python/ on PYTHONPATH. The docstrings are Google's style.
"""

import argparse
import ast
import dataclasses
import inspect
import itertools
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "python-api.md"
ORDER = ("attach", "detach", "Attachment", "Controller", "SamplingOptions", "measure_costs", "VcasSampleArguments",
         "VcasSampleScheme", "VcasModelProcessor", "VcasTrainer", "VcasError")
# What one part of the package calls of another.
INTERNAL = {"Attachment.__init__", "Attachment.begin", "Attachment.install", "Attachment.recording",
            "Attachment.remove", "Controller.begin", "SamplingOptions.to_json", "VcasSampleScheme.processed"}
SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Yields")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the page is up to date")
    return parser.parse_args()


def as_markdown(docstring: str) -> str:
    """Sections become lists in bold heads, and Sphinx's code marks Markdown's."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", docstring).replace("``", "`")
    shown: list[str] = []
    in_section = False
    for line in text.splitlines():
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            shown += [f"**{line.rstrip(':')}**", ""]
            in_section = True
        elif in_section and re.match(r" {4}\S", line):
            entry = re.match(r" {4}([\w*. ]+?): (.*)", line)
            shown.append(f"- `{entry[1]}`: {entry[2]}" if entry else f"- {line.strip()}")
        elif in_section and line.startswith("     "):
            shown[-1] += " " + line.strip()
        else:
            in_section = in_section and not line.strip()
            shown.append(line)
    return "\n".join(shown).strip()


def shown_type(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    # Short names: the page says at its top where they come from.
    return re.sub(r"\b(?:torch\.nn\.modules\.module|collections\.abc|typing|[a-z_]\w*(?:\.[a-z_]\w*)+)\.", "",
                  text).replace("nn.Module", "Module").replace("'", '"')


def signature(name: str, function: object) -> str:
    parameters = [parameter for parameter in inspect.signature(function).parameters.values()
                  if parameter.name != "self"]
    parts: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        part = stars + parameter.name
        if parameter.annotation is not parameter.empty:
            part += f": {shown_type(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            part += f" = {parameter.default!r}"
        parts.append(part)
    returned = inspect.signature(function).return_annotation
    has_result = returned is not inspect.Signature.empty and not name[0].isupper()
    arrow = f" -> {shown_type(returned)}" if has_result else ""
    line = f"{name}({', '.join(parts)}){arrow}"
    return line if len(line) <= 110 else f"{name}(\n    " + ",\n    ".join(parts) + f",\n){arrow}"


def documented(name: str, function: object, docstring: str) -> str:
    return f"```\n{signature(name, function)}\n```\n\n{as_markdown(docstring)}"


def attribute_notes(owner: type) -> dict[str, str]:
    """The string under each field of a class's body."""
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0].body
    notes = {}
    for field, note in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(note, ast.Expr) and isinstance(note.value, ast.Constant):
            notes[field.target.id] = inspect.cleandoc(note.value.value).replace("\n", " ").replace("``", "`")
    return notes


def field_table(owner: type) -> str:
    notes = attribute_notes(owner)
    rows = []
    for field in dataclasses.fields(owner):
        note = field.metadata.get("help") or notes.get(field.name, "")
        default = "" if field.default is dataclasses.MISSING else f"`{field.default!r}`"
        rows.append(f"| `{field.name}` | `{shown_type(field.type)}` | {default} | {note} |".replace("`  `", ""))
    return "| field | type | default | |\n|---|---|---|---|\n" + "\n".join(rows)


def class_page(name: str, owner: type) -> str:
    docstring = inspect.cleandoc(owner.__doc__ or "")
    if dataclasses.is_dataclass(owner):
        parts = [as_markdown(docstring), field_table(owner)]
    elif issubclass(owner, Exception) or f"{name}.__init__" in INTERNAL:
        parts = [as_markdown(docstring)]
    else:
        parts = [documented(name, owner.__init__, docstring)]
        own = inspect.cleandoc(owner.__dict__["__init__"].__doc__ or "") if "__init__" in owner.__dict__ else ""
        parts += [as_markdown(own)] if own else []
    for member_name, member in vars(owner).items():
        if member_name.startswith("_") or f"{name}.{member_name}" in INTERNAL:
            continue
        if isinstance(member, property) and member.fget.__doc__:
            type_shown = shown_type(inspect.signature(member.fget).return_annotation)
            note = as_markdown(inspect.cleandoc(member.fget.__doc__))
            parts.append(f"### {name}.{member_name}\n\n`{type_shown}`: {note}")
        elif inspect.isfunction(member) and member.__doc__:
            parts.append(f"### {name}.{member_name}\n\n"
                         + documented(member_name, member, inspect.cleandoc(member.__doc__)))
    return "\n\n".join(part for part in parts if part)


def page() -> str:
    import vcas

    if missing := sorted(set(vcas.__all__) - set(ORDER)):
        raise SystemExit(f"generate_python_api: add {', '.join(missing)} to ORDER")
    parts = [
        "# Reference of the Python package\n\nWritten by `scripts/generate_python_api.py` from the docstrings; "
        "change those. `Module` is `torch.nn.Module`. [python.md](python.md) is the tutorial."
    ]
    for name in ORDER:
        value = getattr(vcas, name)
        shown = class_page(name, value) if inspect.isclass(value) else documented(
            name, value, inspect.cleandoc(value.__doc__ or ""))
        parts.append(f"## {name}\n\n{shown}")
    return "\n\n".join(parts) + "\n"


def main() -> None:
    arguments = parse_arguments()
    expected = page()
    if not arguments.check:
        PAGE.write_text(expected, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != expected:
        print(f"{PAGE.relative_to(ROOT)} differs from the docstrings: run scripts/generate_python_api.py",
              file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
