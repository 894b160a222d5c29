"""How far a ClusterResourceSet is: what each Cluster's binding says, against what the set holds.

The condition ResourcesApplied says nothing of an edit that the controller has not seen, nor of a
Cluster that is new: a set's generation does not move with its ConfigMaps. The bindings carry the
hash of what was applied. Source: Cluster API v1.14.0, core/reconcilers/clusterresourceset
(normalizeData, computeHash, needsApply).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from providers.base import Health, Readiness, value
from providers.conditions import condition, leaving, name_of
from providers.rollouts import REACHED
from providers.selected import selected
from state.resource import JsonObject

Source = tuple[str, str]
"""Kind and name of a ConfigMap or Secret that a set names."""
CONDITION = "ResourcesApplied"
_SOURCES = ("ConfigMap", "Secret")


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What is around a set, from the same moment."""

    clusters: Sequence[JsonObject] = ()
    """Those of its namespace that are asked about."""
    bindings: Sequence[JsonObject] = ()
    sources: Mapping[Source, JsonObject] = {}
    """What it names and what is there; the controller passes over the rest."""


def sources_of(resource_set: JsonObject) -> tuple[Source, ...]:
    """The ConfigMaps and Secrets that a set names."""
    return tuple(
        (entry["kind"], str(entry.get("name")))
        for entry in _dicts(value(resource_set, "spec.resources"))
        if entry.get("kind") in _SOURCES
    )


def content_hash(source: JsonObject) -> str:
    """What a binding says of a ConfigMap or Secret: a hash over its values, by their keys."""
    total = hashlib.sha256()
    for text in values_of(source):
        total.update(text)
    return f"sha256:{total.hexdigest()}"


def values_of(source: JsonObject) -> Iterator[bytes]:
    """The values of a ConfigMap or Secret, in the order of their keys."""
    for _, text in sorted((source.get("data") or {}).items()):
        if source.get("kind") != "Secret":
            yield text.encode()
            continue
        try:
            yield base64.b64decode(text)
        except binascii.Error:
            yield b""


def missing(resource_set: JsonObject, reach: Reach) -> list[str]:
    """The selected Clusters that do not have what the set holds now."""
    once = value(resource_set, "spec.strategy", "ApplyOnce") == "ApplyOnce"
    hashes = {} if once else {key: content_hash(found) for key, found in reach.sources.items()}
    bound = {name_of(b): _entries(b, name_of(resource_set)) for b in reach.bindings}
    return sorted(
        name_of(cluster)
        for cluster in reach.clusters
        if selected(resource_set, value(cluster, "metadata.labels") or {})
        and not leaving(cluster)
        and not _has(bound.get(name_of(cluster), {}), sources_of(resource_set), reach, hashes)
    )


def _has(
    entries: Mapping[Source, JsonObject],
    wanted: Sequence[Source],
    reach: Reach,
    hashes: Mapping[Source, str],
) -> bool:
    for key in wanted:
        entry = entries.get(key)
        if key not in reach.sources and entry is None:
            continue  # not there: passed over
        if entry is None or entry.get("applied") is not True:
            return False
        if key in hashes and entry.get("hash") != hashes[key]:
            return False
    return True


def _entries(binding: JsonObject, name: str) -> dict[Source, JsonObject]:
    for entry in _dicts(value(binding, "spec.bindings")):
        if entry.get("clusterResourceSetName") == name:
            listed = _dicts(entry.get("resources"))
            return {(str(r.get("kind")), str(r.get("name"))): r for r in listed}
    return {}


def _dicts(listed: object) -> list[JsonObject]:
    """The items of a list that are objects; nobody checks what stands in Git or is served."""
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def applied(resource_set: JsonObject, reach: Reach) -> Readiness:
    """Everything is in every Cluster that is asked about."""
    left = missing(resource_set, reach)
    if not left:
        return REACHED
    names = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
    held = condition(resource_set, CONDITION)
    said = f" · {held.said}" if held.status == "False" and held.said else ""
    return Readiness(Health.WAITING, CONDITION, f"not in {names} yet{said}", held.since)
