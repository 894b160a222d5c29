"""Layers of base services for clusters: which cluster gets which, in what order.

A profile is one folder or chart, the same for every cluster that gets it (docs/profiles.md): what
differs belongs into the cluster. It is built or rendered once, whatever the number of clusters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from planner.expansions import Order, release_key
from planner.index import group_kind
from planner.load import LoadedDocument
from providers.capi import CLUSTER
from state.desired import FleetSpec, Profile
from state.errors import ClusterformError
from state.resource import Release

PROFILES = "clusterform.dev/profiles"
"""Annotation of a Cluster: names of profiles, comma-separated."""


def release_of(profile: Profile) -> Release:
    """What the objects of a profile belong to."""
    return Release(kind="profile", name=profile.name, version=profile.version)


def wanted(
    fleet: FleetSpec, clusters: Iterable[LoadedDocument], asked: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[LoadedDocument, tuple[Profile, ...]]]:
    """The Clusters and their profiles, each after those it comes after.

    `asked`: what a WorkloadCluster names, by `management/namespace/name`.
    """
    for document in clusters:
        if group_kind(document) != CLUSTER or document.cluster:
            continue
        metadata = msgspec.json.decode(document.body)["metadata"]
        labels = metadata.get("labels") or {}
        text = (metadata.get("annotations") or {}).get(PROFILES, "")
        names = {name.strip() for name in text.split(",") if name.strip()}
        names |= set(asked.get(cluster_text(document), ()))
        chosen = [
            profile
            for profile in fleet.profiles
            if profile.name in names
            or (profile.selector is not None and _selects(profile.selector, labels))
        ]
        unknown = names - {p.name for p in fleet.profiles}
        if unknown:
            raise ClusterformError(
                "no-profile",
                f"{document.kind} {document.name}: there is no profile {min(unknown)}",
                where=str(document.origin),
            )
        if chosen:
            yield document, tuple(chosen)


def cluster_text(document: LoadedDocument) -> str:
    """The key of a Cluster's API: `management/namespace/name`."""
    return f"{document.management}/{document.home}/{document.name}"


def orders(cluster: str, chosen: tuple[Profile, ...]) -> Iterator[Order]:
    """What a cluster's profiles say of their order."""
    by_name = {p.name: p for p in chosen}
    for profile in chosen:
        for name in profile.after:
            if name in by_name:
                yield Order(
                    before=release_key(cluster, release_of(by_name[name])),
                    after=release_key(cluster, release_of(profile)),
                    reason=f"profile {profile.name} comes after {name}",
                )


def _selects(selector: tuple[tuple[str, str], ...], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector)
