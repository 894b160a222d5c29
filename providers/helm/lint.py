"""What is wrong with a chart's own description: the part of `helm lint` that is not the render.

Source: helm/helm v4.2, pkg/chart/v2/lint/rules (chartfile, values, dependencies). Left out is what
`helm lint` only recommends (an icon), and what rendering says anyway: templates, and values that
do not fit values.schema.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from providers import yamldoc
from providers.helm.chart import Chart
from providers.helm.constraint import satisfies
from providers.helm.dependencies import absent
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import FieldPath, JsonObject

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)
"""semver.org, 2.0.0."""
_ANY = ">=0.0.0-0"
"""What Helm reads as a version, strict or not: `v1.2`."""
_TYPES = ("application", "library")


def lint(files: Mapping[str, bytes], where: str) -> Iterator[Finding]:
    """Everything that is wrong (error) or doubtful (warning) with a chart's files."""
    content = files.get("Chart.yaml", b"")
    documents, findings = yamldoc.parse(content, f"{where}/Chart.yaml")
    if findings or len(documents) != 1:
        yield from findings
        if not any(f.severity == "error" for f in findings):
            yield _finding(f"{where}/Chart.yaml", "it is not one YAML mapping")
        return
    said = list(_of_description(documents[0].body, content, f"{where}/Chart.yaml"))
    yield from said
    _, malformed = yamldoc.parse(files.get("values.yaml", b""), f"{where}/values.yaml")
    yield from malformed
    if not any(f.severity == "error" for f in (*said, *malformed)):
        try:
            if not absent(files, where):  # what Chart.lock names is fetched where it is rendered
                Chart.read(files, where)
        except ClusterformError as error:
            severity = "warning" if error.code == "chart-dependencies" else "error"
            yield _finding(f"{where}/Chart.yaml", error.brief, severity=severity, hint=error.hint)


def _of_description(body: JsonObject, content: bytes, where: str) -> Iterator[Finding]:
    def at(field: str, summary: str, severity: str = "error", hint: str = "") -> Finding:
        path: FieldPath = (f"f:{field}",)
        line = yamldoc.line_of(content, 0, path) or 1
        return _finding(where, summary, severity=severity, line=line, hint=hint)

    api = body.get("apiVersion")
    if api not in ("v1", "v2"):
        what = "is missing" if api is None else f"is {api!r}"
        yield at("apiVersion", f"apiVersion {what}", hint="write v2, or v1 for charts of Helm 2")
    for field in ("name", "version"):
        if body.get(field) in (None, ""):
            yield at(field, f"{field} is missing")
        elif not isinstance(body[field], str):
            yield at(field, f"{field} is not a text", hint="quote it")
    version = body.get("version")
    if isinstance(version, str) and version and not _SEMVER.fullmatch(version):
        yield at(
            "version",
            f"version {version} is not SemVer",
            "warning" if satisfies(version, _ANY) else "error",
            "write it as MAJOR.MINOR.PATCH",
        )
    if body.get("appVersion") is not None and not isinstance(body["appVersion"], str):
        yield at("appVersion", "appVersion is not a text", "warning", "quote it")
    kind = body.get("type")
    if kind is not None and kind not in _TYPES:
        yield at("type", f"type {kind!r} is not known", hint=f"valid here: {', '.join(_TYPES)}")
    for field in ("dependencies", "type"):
        if api == "v1" and field in body:
            yield at(field, f"{field} is only read with apiVersion v2", "warning")
    if body.get("deprecated") is True:
        yield at("deprecated", "the chart is deprecated", "warning")


def _finding(
    path: str, summary: str, *, severity: str = "error", line: int = 1, hint: str = ""
) -> Finding:
    return Finding(
        severity=severity,  # type: ignore[arg-type]  # one of the two words
        code="chart",
        summary=summary,
        path=path,
        line=line,
        hint=hint,
    )
