"""The report of `clusterform test`: warnings are seen, and nothing of it steers a reader."""

from __future__ import annotations

from xml.etree import ElementTree

from planner.cases import Case
from planner.views import tests as view

CASES = (
    Case(group="charts", name="chart a is well-formed", notes=("a.yaml:1: old",), seconds=0.25),
    Case(group="charts", name="chart b", problems=("b.yaml:2: wrong\x1b[2J",), where="t.yaml:3"),
)


def test_text_has_failures_and_warnings_below_their_cases() -> None:
    assert view.tests_text(CASES) == (
        "charts\n"
        "  ✔ chart a is well-formed\n"
        "      ! a.yaml:1: old\n"
        "  ✖ chart b  t.yaml:3\n"
        "      b.yaml:2: wrong\\x1b[2J\n"
        "\n"
        "1 passed, 1 failed, 1 note in 0.2 s\n"
    )


def test_junit_has_warnings_as_output_and_is_xml_whatever_it_says() -> None:
    root = ElementTree.fromstring(view.junit(CASES))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    good, bad = suite
    assert good.findtext("system-out") == "a.yaml:1: old"
    assert good.find("failure") is None
    assert bad.findtext("failure") == "b.yaml:2: wrong\\x1b[2J"
    assert (bad.get("file"), bad.get("line")) == ("t.yaml", "3")
