"""Values that a repository declares for its charts and releases: what is rendered and checked.

A release with each declared file laid over its values; a chart of the repository with each file by
itself. By default every chart with `ci/*-values.yaml` is rendered with those.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from planner.expand.edits import Alone, Edit, Variant
from planner.expectations import Test, ValuesSet, ci_values
from planner.validate import Validation
from planner.workspace import Workspace
from providers.helm.lint import lint
from providers.helm.values import read_values
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import JsonObject, Origin

CHARTS = "charts"
"""The group of what nobody declared."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test."""

    group: str
    name: str
    problems: tuple[str, ...] = ()
    """Why it failed; `()`: it passed."""
    notes: tuple[str, ...] = ()
    """Warnings, and what was not looked at; no failure."""
    where: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Nothing is wrong."""
        return not self.problems


def case_of(found: Iterable[Finding], *, group: str, name: str, where: str = "") -> Case:
    """A case with errors as problems and warnings as notes."""
    listed = list(found)
    return Case(
        group=group,
        name=name,
        problems=tuple(text(f) for f in listed if f.severity == "error"),
        notes=tuple(text(f) for f in listed if f.severity != "error"),
        where=where,
    )


def text(found: Finding) -> str:
    """A finding in one line: place, what is wrong, the way out."""
    place = f"{found.where}: " if found.path else ""
    return f"{place}{found.summary}" + (f"; {found.hint}" if found.hint else "")


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """One set of values of one chart or release."""

    test: Test | None
    """The file that says so; None: nobody, it is the chart's habit."""
    set: ValuesSet
    file: str
    """`""`: the chart's own values."""

    @property
    def name(self) -> str:
        """`chart charts/aws-cluster with ci/two-pools-values.yaml`."""
        what = f"chart {self.set.chart}" if self.set.chart else f"release {self.set.release}"
        file = self.file.removeprefix(f"{self.set.chart}/") if self.set.chart else self.file
        return f"{what} with {file}" if file else f"{what} with its own values"


def declared(
    tests: Iterable[Test], charts: Iterable[str], paths: Collection[str]
) -> list[Declared]:
    """Everything that is to be rendered: what tests say, and the habits of other charts."""
    found: list[tuple[Test | None, ValuesSet]] = []
    found += [(test, each) for test in tests for each in test.values]
    said = {each.chart for _, each in found}
    for chart in charts:
        files = ci_values(chart, paths)
        if files and chart not in said:
            found.append((None, ValuesSet(where=files[0], chart=chart, files=tuple(files))))
    return [
        Declared(test=test, set=each, file=file)
        for test, each in found
        for file in each.files or ("",)
    ]


def linted(workspace: Workspace, charts: list[str]) -> Iterator[Case]:
    """A case for each chart: what it says of itself, and whether its own values render it."""
    names = [m.name for m in workspace.declared.fleet.management]
    alone = [
        Alone(
            management=names[0],
            chart=chart,
            name="test",
            namespace="default",
            values={},
            origin=Origin(f"{chart}/Chart.yaml", 0),
        )
        for chart in charts
    ]
    for each, made in zip(alone, workspace.variants(alone), strict=True):
        files = [f.path for f in workspace.tree.files(each.chart)]
        contents = workspace.tree.read(files)
        base = "" if each.chart == "." else f"{each.chart}/"
        said = list(lint({p.removeprefix(base): contents[p] for p in files}, each.chart))
        case = case_of(said, group=CHARTS, name=f"chart {each.chart} is well-formed")
        failed = [f.summary for f in made.findings if f.severity == "error"]
        if case.passed and failed:
            notes = (*case.notes, f"its own values do not render it: {failed[0]}")
            case = msgspec.structs.replace(case, notes=notes)
        yield case


def checked(workspace: Workspace, validation: Validation, found: list[Declared]) -> Iterator[Case]:
    """A case for each set of values: it renders, and its objects are valid."""
    started = time.perf_counter()
    contents = workspace.tree.read({each.file for each in found if each.file})
    wanted = [_wanted(workspace, each, contents) for each in found]
    variants = iter(workspace.variants([w for w in wanted if not isinstance(w, Finding)]))
    share = (time.perf_counter() - started) / max(1, len(found))
    for each, asked in zip(found, wanted, strict=True):
        started = time.perf_counter()
        made = Variant(findings=(asked,)) if isinstance(asked, Finding) else next(variants)
        said = list(made.findings)
        if not any(f.severity == "error" for f in said):
            said += validation.of(made.documents)
        group = each.test.name if each.test is not None else CHARTS
        case = case_of(said, group=group, name=each.name, where=each.set.where)
        seconds = share + time.perf_counter() - started
        yield msgspec.structs.replace(case, seconds=seconds)


def _wanted(
    workspace: Workspace, each: Declared, contents: Mapping[str, bytes]
) -> Edit | Alone | Finding:
    try:
        values = _values(contents[each.file], each.file) if each.file else {}
    except ClusterformError as error:
        return _error(error.code, error.brief, each.file)
    if each.set.release:
        return Edit(release=each.set.release, over=values)
    names = [m.name for m in workspace.declared.fleet.management]
    management = each.set.management or names[0]
    if management not in names:
        hint = f"valid here: {', '.join(names)}"
        summary = f'there is no management cluster "{management}"'
        return _error("unknown-value", summary, each.set.where, hint)
    return Alone(
        management=management,
        chart=each.set.chart,
        name=each.set.name,
        namespace=each.set.namespace,
        values=values,
        origin=Origin(each.file or f"{each.set.chart}/Chart.yaml", 0),
    )


def _values(content: bytes, path: str) -> JsonObject:
    try:
        return read_values(content.decode(), path)
    except UnicodeDecodeError:
        raise ClusterformError("bad-values", "it is not UTF-8") from None


def _error(code: str, summary: str, where: str, hint: str = "") -> Finding:
    path, _, line = where.partition(":")
    number = int(line) if line else 0
    return Finding(severity="error", code=code, summary=summary, path=path, line=number, hint=hint)
