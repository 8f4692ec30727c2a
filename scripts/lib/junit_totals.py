"""Prints 'passed failed' of a JUnit file. Skipped tests count as neither; a run of no tests counts as one failure."""

import sys
import xml.etree.ElementTree as ElementTree


def totals(path: str) -> tuple[int, int]:
    passed = failed = 0
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            failed += 1
        elif case.find("skipped") is None and case.get("status") not in ("disabled", "notrun"):
            passed += 1
    return (passed, failed) if passed + failed else (0, 1)


if __name__ == "__main__":
    print(*totals(sys.argv[1]))
