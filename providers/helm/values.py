"""Values of a release, merged as Helm and its controllers merge them.

Maps merge, everything else is replaced, null stays for Helm to remove a chart's default with.
Order (helm-controller v1.6, measured): `valuesFrom` as listed, a `targetPath` being one of them,
then the inline `values` on top.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers import yamldoc
from providers.helm.release import Release, ValuesFrom
from state.errors import ClusterformError
from state.resource import JsonObject


def merge(release: Release, read: Callable[[ValuesFrom], str | None]) -> JsonObject:
    """The values of a release. `read`: the text of an entry, None where it is left out.

    Raises ClusterformError('bad-values').
    """
    merged: JsonObject = {}
    for entry in release.values_from:
        text = read(entry)
        if text is not None:
            merged = merged_with(merged, _of(entry, text))
    return merged_with(merged, release.values)


def merged_with(base: JsonObject, over: JsonObject) -> JsonObject:
    """`over` laid on `base`; neither is changed."""
    found = dict(base)
    for name, value in over.items():
        known = found.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            found[name] = merged_with(known, value)
        else:
            found[name] = value
    return found


def _of(entry: ValuesFrom, text: str) -> JsonObject:
    where = f"valuesFrom: {entry.kind} {entry.name or entry.path}"
    if entry.target_path:
        value: Any = text if entry.literal else typed(text)
        for part in reversed(entry.target_path.split(".")):
            value = {part: value}
        return value  # type: ignore[no-any-return]
    if not text.strip():
        return {}
    documents, findings = yamldoc.parse(text.encode(), where)
    errors = [f for f in findings if f.severity == "error"]
    if errors or len(documents) != 1:
        why = errors[0].summary if errors else "it is not one YAML mapping"
        raise ClusterformError("bad-values", f"{where}: {why}")
    return documents[0].body


def typed(text: str) -> Any:
    """A value as `--set` reads it: null, booleans, integers without a leading zero, else text."""
    if text == "null":
        return None
    if text in ("true", "false"):
        return text == "true"
    digits = text.removeprefix("-")
    if text == "0" or (digits.isdecimal() and not digits.startswith("0")):
        return int(text)
    return text
