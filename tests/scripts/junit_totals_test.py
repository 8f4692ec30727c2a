import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/lib/junit_totals.py"
spec = importlib.util.spec_from_file_location("junit_totals", SCRIPT)
junit_totals = importlib.util.module_from_spec(spec)
spec.loader.exec_module(junit_totals)


def totals_of(tmp_path, cases):
    path = tmp_path / "junit.xml"
    path.write_text(f"<testsuite>{cases}</testsuite>")
    return junit_totals.totals(str(path))


def test_counts_what_pytest_writes(tmp_path):
    cases = '<testcase/><testcase><failure/></testcase><testcase><error/></testcase><testcase><skipped/></testcase>'
    assert totals_of(tmp_path, cases) == (1, 2)


def test_counts_what_ctest_writes(tmp_path):
    cases = '<testcase status="run"/><testcase status="fail"><failure/></testcase><testcase status="notrun"/>'
    assert totals_of(tmp_path, cases) == (1, 1)


def test_a_run_of_no_tests_is_a_failure(tmp_path):
    assert totals_of(tmp_path, "") == (0, 1)
