"""Findings of `validate`: text, JSON, SARIF 2.1.0 and annotations of GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from planner.rules.table import TABLE
from planner.version import VERSION
from planner.views.clean import clean
from planner.views.problems import findings_text
from providers.yamldoc import Finding

FORMAT_VERSION = "1.0"
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_BOOK = {entry.id: entry for entry in TABLE}


def rendered(found: Sequence[Finding], form: str, documents: int) -> str:
    """All findings in one of the formats; the text says how many objects are valid."""
    if form == "json":
        return findings_json(found, documents)
    if form == "sarif":
        return findings_sarif(found)
    if form == "github":
        return findings_github(found)
    text = findings_text(found)
    if any(f.severity == "error" for f in found):
        return text
    objects = "1 object is" if documents == 1 else f"{documents} objects are"
    return f"{text}{objects} valid" + (", with warnings\n" if found else "\n")


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def findings_json(found: Sequence[Finding], documents: int) -> str:
    """The findings as data, by place."""
    errors = sum(1 for f in found if f.severity == "error")
    return _json(
        {
            "format_version": FORMAT_VERSION,
            "valid": not errors,
            "objects": documents,
            "errors": errors,
            "warnings": len(found) - errors,
            "findings": [
                {
                    "severity": f.severity,
                    "code": f.code,
                    "summary": f.summary,
                    "detail": f.detail,
                    "hint": f.hint,
                    "path": f.path,
                    "line": f.line,
                    "column": f.column,
                }
                for f in found
            ],
        }
    )


def findings_sarif(found: Sequence[Finding]) -> str:
    """SARIF for code scanning: each code a rule, each finding a result with its line."""
    codes = sorted({f.code for f in found})
    return _json(
        {
            "$schema": _SCHEMA,
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {
                        "driver": {
                            "name": "clusterform",
                            "version": VERSION,
                            "rules": [_sarif_rule(code) for code in codes],
                        }
                    },
                    "results": [_sarif_result(f, codes) for f in found],
                }
            ],
        }
    )


def _sarif_rule(code: str) -> dict[str, Any]:
    entry = _BOOK.get(code)
    if entry is None:
        return {"id": code}
    return {
        "id": code,
        "name": entry.name,
        "shortDescription": {"text": entry.summary},
        "fullDescription": {"text": entry.why},
        "help": {"text": entry.way_out},
    }


def _sarif_result(found: Finding, codes: list[str]) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": found.path}}
    if found.line:
        region = {"startLine": found.line}
        place["region"] = {**region, "startColumn": found.column} if found.column else region
    return {
        "ruleId": found.code,
        "ruleIndex": codes.index(found.code),
        "level": found.severity,
        "message": {"text": _said(found)},
        "locations": [{"physicalLocation": place}],
    }


def findings_github(found: Sequence[Finding]) -> str:
    """Workflow commands: GitHub shows them on the lines of a pull request."""
    lines = []
    for f in found:
        place = [f"file={_property(f.path)}"]
        place += [f"line={f.line}"] if f.line else []
        place += [f"col={f.column}"] if f.column else []
        place.append(f"title={_property(f.code)}")
        lines.append(f"::{f.severity} {','.join(place)}::{_data(_said(f))}\n")
    return "".join(lines)


def _said(found: Finding) -> str:
    return "\n".join(part for part in (found.summary, found.detail, found.hint) if part)


def _data(text: str) -> str:
    """Escaped as the runner wants it, line by line so that nothing else begins a command."""
    lines = [clean(line) for line in text.split("\n")]
    return "%0A".join(line.replace("%", "%25").replace("\r", "%0D") for line in lines)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
