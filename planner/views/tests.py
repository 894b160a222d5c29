"""The report of `clusterform test`: text, and JUnit XML as CI systems read it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from xml.etree import ElementTree

from planner.cases import Case
from planner.views.clean import clean, plural


def tests_text(cases: Iterable[Case]) -> str:
    """A line for each case, failures with their reasons, and the count."""
    listed = list(cases)
    lines = []
    for group, found in itertools.groupby(listed, key=lambda case: case.group):
        lines.append(clean(group))
        for case in found:
            where = f"  {case.where}" if case.where and not case.passed else ""
            lines.append(f"  {'✔' if case.passed else '✖'} {clean(case.name)}{clean(where)}")
            lines += [f"      {clean(line)}" for line in case.problems]
            lines += [f"      ! {clean(line)}" for line in case.notes]
    failed = sum(1 for case in listed if not case.passed)
    seconds = sum(case.seconds for case in listed)
    noted = sum(len(case.notes) for case in listed)
    said = f", {plural(noted, 'note')}" if noted else ""
    lines += ["", f"{len(listed) - failed} passed, {failed} failed{said} in {seconds:.1f} s"]
    return "\n".join(lines) + "\n"


def junit(cases: Iterable[Case]) -> str:
    """JUnit XML: a suite for each group, a failure with its reasons."""
    listed = list(cases)
    root = ElementTree.Element("testsuites", name="clusterform")
    for group, found in itertools.groupby(listed, key=lambda case: case.group):
        mine = list(found)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=clean(group),
            tests=str(len(mine)),
            failures=str(sum(1 for case in mine if not case.passed)),
            time=f"{sum(case.seconds for case in mine):.3f}",
        )
        for case in mine:
            element = ElementTree.SubElement(
                suite,
                "testcase",
                classname=clean(group),
                name=clean(case.name),
                time=f"{case.seconds:.3f}",
            )
            if case.where:
                path, _, line = case.where.partition(":")
                element.set("file", path)
                element.set("line", line or "1")
            if not case.passed:
                failure = ElementTree.SubElement(
                    element, "failure", message=clean(case.problems[0])
                )
                failure.text = "\n".join(map(clean, case.problems))
            if case.notes:
                ElementTree.SubElement(element, "system-out").text = "\n".join(
                    map(clean, case.notes)
                )
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
