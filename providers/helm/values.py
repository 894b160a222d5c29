"""Values of a release, merged as Helm and its controllers merge them.

Maps merge, everything else is replaced, null stays for Helm to remove a chart's default with.
Order (helm-controller v1.6, measured): `valuesFrom` as listed, a `targetPath` being one of them,
then the inline `values` on top. The Helm Operator's `valueFileSecrets` come first of all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from providers import yamldoc
from providers.helm.release import Release, ValuesFrom
from providers.helm.strvals import set_into, set_literally
from state.errors import ClusterformError
from state.resource import JsonObject

_QUOTES = "'\""


def merge(release: Release, read: Callable[[ValuesFrom], str | None]) -> JsonObject:
    """The values of a release. `read`: the text of an entry, None where it is left out.

    Raises ClusterformError('bad-values').
    """
    merged: JsonObject = {}
    for entry in release.values_from:
        text = read(entry)
        if text is None:
            continue
        where = f"valuesFrom: {entry.kind} {entry.name or entry.path}"
        try:
            if entry.target_path:
                merged = copy.deepcopy(merged)
                _set(merged, entry, text)
            else:
                merged = merged_with(merged, read_values(text, where))
        except ClusterformError as error:
            place = f", targetPath {entry.target_path}" if entry.target_path else ""
            raise ClusterformError(error.code, f"{where}{place}: {error.brief}") from None
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


def read_values(text: str, where: str) -> JsonObject:
    """A document of values. Raises ClusterformError('bad-values')."""
    if not text.strip():
        return {}
    documents, findings = yamldoc.parse(text.encode(), where)
    errors = [f for f in findings if f.severity == "error"]
    if errors or len(documents) > 1:
        why = errors[0].summary if errors else "it is not one YAML mapping"
        raise ClusterformError("bad-values", why)
    return documents[0].body if documents else {}


def _set(values: JsonObject, entry: ValuesFrom, text: str) -> None:
    """One setting, as helm-controller makes it (fluxcd/pkg/chartutil, ReplacePathValue)."""
    if entry.literal:
        set_literally(values, entry.target_path, text)
        return
    quoted = any(len(text) > 1 and text[0] == text[-1] == quote for quote in _QUOTES)
    if quoted:
        text = text.strip(_QUOTES)
    set_into(values, f"{entry.target_path}={text}", strings=quoted)
