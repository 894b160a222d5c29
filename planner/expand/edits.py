"""Other values than the repository's: of a release, or of a chart by itself. What tests try."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from planner.expand.index import identity_of
from planner.load import LoadedDocument
from providers.helm.values import merged_with
from providers.secrets import Pins
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.fields import set_at
from state.resource import FieldPath, JsonObject, Origin, canonical, digest, path_text


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """Other values in one release (`planner.trial`, `planner.cases`)."""

    release: str
    """`namespace/name` of a HelmRelease or WorkloadCluster."""
    values: tuple[tuple[FieldPath, Any], ...] = ()
    """Fields that are set, after `over`."""
    over: JsonObject = {}
    """Values that are laid over those of the release."""

    def apply(self, document: LoadedDocument, pins: Pins) -> LoadedDocument:
        """The release with the values. Raises ClusterformError('no-field')."""
        body = msgspec.json.decode(document.body)
        inline = body["spec"].get("values")
        known = inline if isinstance(inline, dict) else {}
        inline = merged_with(known, copy.deepcopy(self.over))
        body["spec"]["values"] = inline
        for path, value in self.values:
            _set(inline, path, value)
        changed = canonical(body)
        mark = digest(
            identity_of(document, pins).encode(), pins.pin(self.release, changed).encode()
        )
        return msgspec.structs.replace(document, body=changed, inputs=mark)


def _set(values: JsonObject, path: FieldPath, value: Any) -> None:
    try:
        set_at(values, path, value)
    except (AttributeError, IndexError, KeyError, TypeError):
        name = path_text(path).removeprefix(".")
        raise ClusterformError("no-field", f"set: {name} cannot be set in these values") from None


class Alone(msgspec.Struct, frozen=True, kw_only=True):
    """A chart of the repository by itself, with values that no release has."""

    management: str
    chart: str
    """Its folder."""
    name: str
    namespace: str
    values: JsonObject
    origin: Origin
    """The file of the values, or the chart."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """What a release or chart comes to with other values; inputs of Flux in it stay as they are."""

    documents: tuple[LoadedDocument, ...] = ()
    findings: tuple[Finding, ...] = ()
