"""`commonMetadata` of Flux: labels and annotations set on every object, over its own."""

from __future__ import annotations

from collections.abc import Mapping

from state.resource import JsonObject


def with_metadata(
    body: JsonObject, labels: Mapping[str, str] | None, annotations: Mapping[str, str] | None
) -> JsonObject:
    """The object with these set (fluxcd/pkg/ssa v0.76.2, SetCommonMetadata)."""
    metadata = dict(body.get("metadata") or {})
    for field, values in (("labels", labels), ("annotations", annotations)):
        if values:
            metadata[field] = {**(metadata.get(field) or {}), **values}
    return {**body, "metadata": metadata}
