"""Layers of base services for clusters: which cluster gets which, in what order.

A profile is one folder or chart, the same for every cluster that gets it (docs/profiles.md): what
differs belongs into the cluster. It is built or rendered once, whatever the number of clusters. One
that an add-on provider applies is an object beside its Clusters, not one in each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from planner.expand.handover import kind_of, object_name
from planner.expand.index import group_kind
from planner.expand.rendered import Source
from planner.expansions import Order, release_key
from planner.load import LoadedDocument
from providers.capi import CLUSTER
from providers.selected import RESOURCE_SET
from state.desired import FleetSpec, Profile
from state.errors import ClusterformError
from state.resource import Origin, Release, RenderedRelease, ResourceId, canonical, digest

PROFILES = "clusterform.dev/profiles"
"""Annotation of a Cluster: names of profiles, comma-separated."""


def release_of(profile: Profile, namespace: str = "") -> Release:
    """What the objects of a profile belong to; `namespace`: of one that is handed over."""
    return Release(kind="profile", namespace=namespace, name=profile.name, version=profile.version)


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
        for profile in chosen:
            if profile.handed_over and not _selects(profile.selector or (), labels):
                raise _not_selected(document, profile)
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


def orders(document: LoadedDocument, chosen: tuple[Profile, ...]) -> Iterator[Order]:
    """What a cluster's profiles say of their order."""
    by_name = {p.name: p for p in chosen}
    for profile in chosen:
        for name in profile.after:
            if name in by_name:
                earlier = by_name[name]
                yield Order(
                    before=_key(document, earlier),
                    after=_key(document, profile),
                    reason=f"profile {profile.name} comes after {name}",
                    awaits=_handed_to(document, earlier) if earlier.handed_over else None,
                )


def places(
    chosen: Iterable[tuple[LoadedDocument, tuple[Profile, ...]]],
) -> dict[str, dict[tuple[str, str], str]]:
    """Profile that is handed over → (management, namespace) of its Clusters → their API version.

    An add-on provider selects in its own namespace. Cluster API serves its groups in the same
    versions, so the one that the Clusters are written in is served for their sets, too.
    """
    found: dict[str, dict[tuple[str, str], str]] = {}
    for document, mine in chosen:
        version = document.version.rpartition("/")[2]
        for profile in mine:
            if profile.handed_over:
                there = found.setdefault(profile.name, {})
                place = (document.management, document.home)
                there[place] = max(there.get(place, ""), version)
    return found


def chart_source(profile: Profile, path: str) -> Source:
    """What a chart that is only named comes from: the Fleet file at `path`."""
    inputs = digest(
        b"proxy", object_name(profile).encode(), canonical(msgspec.to_builtins(profile))
    )
    return Source(
        management="",
        origin=Origin(path, 0),
        what=f"profile {profile.name}",
        rendered=RenderedRelease(f"-/profile/-/{profile.name}", inputs),
        release=release_of(profile),
    )


def placed(
    made: Iterable[LoadedDocument], namespace: str, version: str
) -> Iterator[LoadedDocument]:
    """What a profile is handed over as, in one namespace."""
    for document in made:
        body = msgspec.json.decode(document.body)
        body["metadata"]["namespace"] = namespace
        if group_kind(document) == RESOURCE_SET:
            body["apiVersion"] = f"{RESOURCE_SET.group}/{version}"
        yield msgspec.structs.replace(
            document, namespace=namespace, version=body["apiVersion"], body=canonical(body)
        )


def _key(document: LoadedDocument, profile: Profile) -> str:
    if profile.handed_over:
        return release_key(document.management, release_of(profile, document.home))
    return release_key(cluster_text(document), release_of(profile))


def _handed_to(document: LoadedDocument, profile: Profile) -> ResourceId:
    kind = kind_of(profile)
    name = object_name(profile)
    return ResourceId(document.management, kind.group, kind.kind, document.home, name)


def _not_selected(document: LoadedDocument, profile: Profile) -> ClusterformError:
    labels = ", ".join(f"{key}: {value}" for key, value in profile.selector or ())
    return ClusterformError(
        "no-selector",
        f"{document.kind} {document.name} names profile {profile.name}, which a"
        f" {kind_of(profile).kind} applies to clusters by their labels, and this one has not"
        f" {labels}",
        hint="label the cluster instead of naming the profile",
        where=str(document.origin),
    )


def _selects(selector: tuple[tuple[str, str], ...], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector)
