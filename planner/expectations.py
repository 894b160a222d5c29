"""The clusters repo's own tests: files of `kind: Test` and what they expect (docs/testing.md).

apiVersion: clusterform.dev/v1
kind: Test
metadata: {name: shop}
spec:
  expect:
    - object: {kind: MachineDeployment, namespace: shop, name: shop-dev-md0}
      path: spec.replicas
      equals: 2
  edits:
    - name: another worker rolls nothing
      release: shop/shop-dev
      set: {nodePools.md0.count: 3}
      machines: {replaced: 0, added: 1}
  charts:
    - chart: charts/dev-cluster
      values: [charts/dev-cluster/ci/*-values.yaml]
  releases:
    - release: shop/shop-dev
      values: [tests/values/*.yaml]
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Collection
from typing import Any

import msgspec

from planner.filereader import FileReader
from providers.yamldoc import Finding
from state.fields import MISSING, value_at
from state.resource import FieldPath, JsonObject, Resource

_SPEC = ("expect", "edits", "charts", "releases")
_CHECKS = ("equals", "matches", "exists", "atLeast", "atMost", "contains")
_MACHINES = ("replaced", "added", "removed", "destroyed")


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of one or more objects."""

    where: str
    """`file:line`."""
    kind: str
    namespace: str
    """`""`: any."""
    name: str
    """`""`: any."""
    cluster: str = ""
    """`namespace/name` of the workload cluster that it lives in."""
    path: FieldPath = ()
    check: str = "exists"
    value: Any = True

    @property
    def title(self) -> str:
        """`MachineDeployment shop/shop-dev-md0: spec.replicas equals 2`."""
        name = "/".join(part for part in (self.namespace, self.name or "*") if part)
        field = ".".join(part[2:] for part in self.path)
        what = f"{field} " if field else ""
        return f"{self.kind} {name}: {what}{self.check} {self.value}"


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """An edit of a release's values, and what it may do to machines."""

    where: str
    name: str
    release: str
    """`namespace/name` of a HelmRelease or WorkloadCluster."""
    values: tuple[tuple[FieldPath, Any], ...]
    machines: tuple[tuple[str, int], ...]
    """Of `replaced`, `added`, `removed`, `destroyed`: as many; others are not looked at."""
    destroys: bool = False
    """Clusters may be destroyed by it."""


class ValuesSet(msgspec.Struct, frozen=True, kw_only=True):
    """Values files that a chart, or a release, is rendered with; each is a case."""

    where: str
    chart: str = ""
    """A folder of the repository; `""`: it is a release."""
    release: str = ""
    """`namespace/name`; each file is laid over its values."""
    files: tuple[str, ...] = ()
    """`()`: the chart's own values alone."""
    name: str = "test"
    """Of the release that the chart is rendered as."""
    namespace: str = "default"
    management: str = ""
    """The cluster whose CRDs and versions count for a chart; `""`: the fleet's first."""


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    __test__ = False  # no test class of pytest's

    name: str
    expect: tuple[Expectation, ...]
    edits: tuple[Edit, ...]
    values: tuple[ValuesSet, ...] = ()


def read_test(content: bytes, path: str, paths: Collection[str]) -> tuple[Test, list[Finding]]:
    """A test file; every mistake of it is a finding. `paths`: all files of the repository."""
    reader = FileReader(content, path, lambda name: f"{name}/Chart.yaml" in paths)
    body = reader.document("Test")
    if not body:
        return Test(name=path, expect=(), edits=()), reader.findings
    name = reader.metadata_name(body)
    spec = reader.fields(body.get("spec", {}), ("f:spec",), _SPEC)
    at: FieldPath = ("f:spec", "f:expect")
    expect = tuple(
        _expectation(reader, entry, (*at, f"i:{index}"))
        for index, entry in enumerate(reader.items(spec.get("expect", []), at))
    )
    at = ("f:spec", "f:edits")
    edits = tuple(
        _edit(reader, entry, (*at, f"i:{index}"))
        for index, entry in enumerate(reader.items(spec.get("edits", []), at))
    )
    values = tuple(
        _values_set(reader, entry, ("f:spec", f"f:{form}s", f"i:{index}"), form, paths)
        for form in ("chart", "release")
        for index, entry in enumerate(
            reader.items(spec.get(f"{form}s", []), ("f:spec", f"f:{form}s"))
        )
    )
    return Test(name=name, expect=expect, edits=edits, values=values), reader.findings


def _expectation(reader: FileReader, entry: Any, at: FieldPath) -> Expectation:
    fields = reader.fields(entry, at, ("object", "path", *_CHECKS))
    target = reader.fields(
        fields.get("object", {}), (*at, "f:object"), ("kind", "namespace", "name", "cluster")
    )
    checks = [name for name in _CHECKS if name in fields]
    if len(checks) > 1:
        reader.error("one-of", f"{reader.name(at)} needs one of {', '.join(_CHECKS)}", at)
    check = checks[0] if checks else "exists"
    return Expectation(
        where=reader.where(at),
        kind=reader.text(target, "kind", (*at, "f:object")),
        namespace=str(target.get("namespace", "")),
        name=str(target.get("name", "")),
        cluster=str(target.get("cluster", "")),
        path=dotted(fields["path"]) if isinstance(fields.get("path"), str) else (),
        check=check,
        value=fields.get(check, True),
    )


def _edit(reader: FileReader, entry: Any, at: FieldPath) -> Edit:
    known = ("name", "release", "set", "machines", "rolls", "destroys")
    fields = reader.fields(entry, at, known)
    machines = reader.fields(fields.get("machines", {}), (*at, "f:machines"), _MACHINES)
    for name, count in machines.items():
        if isinstance(count, bool) or not isinstance(count, int):
            reader.error("wrong-type", f"{name} is not a whole number", (*at, "f:machines"))
    if fields.get("rolls") is False:
        machines = {"replaced": 0, **machines}
    return Edit(
        where=reader.where(at),
        name=reader.text(fields, "name", at),
        release=reader.text(fields, "release", at),
        values=tuple(
            (dotted(name), value)
            for name, value in reader.mapping(fields.get("set", {}), (*at, "f:set")).items()
        ),
        machines=tuple(sorted(machines.items())),
        destroys=fields.get("destroys") is True,
    )


def _values_set(
    reader: FileReader, entry: Any, at: FieldPath, form: str, paths: Collection[str]
) -> ValuesSet:
    of_chart = ("name", "namespace", "management") if form == "chart" else ()
    fields = reader.fields(entry, at, (form, "values", *of_chart))
    subject = reader.text(fields, form, at)
    if form == "chart" and subject:
        subject = reader.inside(subject, (*at, "f:chart"))
    given: dict[str, Any] = {
        name: reader.text(fields, name, at) for name in of_chart if name in fields
    }
    if form == "release" or "values" in fields:
        here = (*at, "f:values")
        files: list[str] = []
        for index, pattern in enumerate(reader.items(fields.get("values"), here)):
            found = _found(str(pattern), paths)
            if not found:
                reader.error(
                    "no-such-path",
                    f"there is no values file {pattern}",
                    (*here, f"i:{index}"),
                    hint="paths are relative to the fleet's root; * stands for any part of a name",
                )
            files += [path for path in found if path not in files]
    else:
        files = ci_values(subject, paths)
    return ValuesSet(where=reader.where(at), files=tuple(files), **{form: subject}, **given)


def ci_values(chart: str, paths: Collection[str]) -> list[str]:
    """The values files that a chart is tested with by habit.

    Source: helm/chart-testing, `ct install`: every `ci/*-values.yaml` inside of the chart.
    """
    return _found(f"{chart}/ci/*-values.yaml".removeprefix("./"), paths)


def _found(pattern: str, paths: Collection[str]) -> list[str]:
    wanted = posixpath.normpath(pattern).split("/")
    return sorted(
        path
        for path in paths
        if path.count("/") == len(wanted) - 1
        and all(map(fnmatch.fnmatchcase, path.split("/"), wanted))
    )


_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def dotted(text: str) -> FieldPath:
    """`spec.files[0].path` as a field path. Keys with dots in them cannot be written."""
    return tuple(f"i:{index}" if index else f"f:{name}" for name, index in _PART.findall(text))


def matching(expectation: Expectation, resources: tuple[Resource, ...]) -> list[Resource]:
    """The objects that an expectation is about."""
    return [
        r
        for r in resources
        if r.id.kind == expectation.kind
        and expectation.namespace in ("", r.id.namespace)
        and expectation.name in ("", r.id.name)
        and (not expectation.cluster or r.id.cluster.endswith(f"/{expectation.cluster}"))
    ]


def problem(expectation: Expectation, body: JsonObject) -> str:
    """Why an object is not as expected; `""` where it is."""
    found = value_at(body, expectation.path) if expectation.path else body
    wanted, check = expectation.value, expectation.check
    if check == "exists":
        there = found is not MISSING
        return "" if there == bool(wanted) else ("is there" if there else "is not there")
    if check == "equals" and found == wanted:
        return ""
    if check == "matches" and isinstance(found, str) and re.fullmatch(str(wanted), found):
        return ""
    if check == "contains" and isinstance(found, (str, list, dict)) and wanted in found:
        return ""
    if isinstance(found, (int, float)) and (
        (check == "atLeast" and found >= wanted) or (check == "atMost" and found <= wanted)
    ):
        return ""
    return f"is {found!r}" if found is not MISSING else "is not there"
