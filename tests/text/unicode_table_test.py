"""src/text/unicode_differences.inc is what scripts/generate_unicode_table.py writes today."""

import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("generate_unicode_table", ROOT / "scripts/generate_unicode_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.render()
    module.render = lambda: text
    return module


def test_table_is_what_the_script_writes(script):
    script.main(["--check"])


def test_check_refuses_a_changed_table(script, tmp_path, monkeypatch):
    table = tmp_path / "unicode_differences.inc"
    table.write_text(script.TABLE.read_text().replace("{0x08E2, 0x08E2}, ", ""))
    monkeypatch.setattr(script, "TABLE", table)
    with pytest.raises(SystemExit, match="unicode_differences.inc differs"):
        script.main(["--check"])
